"""The models that are served, by name; loaded when first used.

A fine-tuned model is a base's ``LanguageModel`` with a LoRA adapter, under a name of its own.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tunebench.errors import ConfigurationError, DatasetError
from tunebench.server.inference import weights
from tunebench.server.inference.decoder import has_int8
from tunebench.server.inference.embeddings import EmbeddingModel, makes_embeddings
from tunebench.server.inference.language_model import LanguageModel

_log = logging.getLogger("tunebench.server")


def choose_dtype(name: str) -> torch.dtype:
    """The number format of an option: ``auto`` is bfloat16 where the CPU supports it."""
    if name == "auto":
        flags: set[str] = set()
        with contextlib.suppress(OSError):
            flags.update(Path("/proc/cpuinfo").read_text().split())
        # Without these instructions bfloat16 is emulated and slower than float32.
        name = "bfloat16" if flags & {"avx512_bf16", "amx_bf16", "bf16"} else "float32"
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[name]


@dataclass
class ModelRegistry:
    """The models that are served, in the order given, loaded when first used.

    Attributes:
        sources: name to built-in name, folder, ``.gguf`` file or Hugging Face id.
        dtype: number format of all of them.
        int8: whether tokens after the first are decoded with weights of eight bits, where the
            number format is bfloat16 and PyTorch has a fast kernel.
    """

    sources: Mapping[str, str]
    dtype: torch.dtype
    int8: bool = False
    _loaded: dict[str, LanguageModel | EmbeddingModel] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _makers: dict[str, tuple[str, Callable[[LanguageModel], LanguageModel]]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        """Find out whether eight bits are possible here."""
        self.int8 = self.int8 and self.dtype == torch.bfloat16 and has_int8()

    def get(self, name: str) -> LanguageModel:
        """A model of text, loaded if it is not yet (seconds; the first time up to a minute).

        Raises:
            KeyError: no such name.
            ConfigurationError: its weights are missing, damaged or not supported.
            DatasetError: it makes embeddings.
        """
        model = self._get(name)
        if isinstance(model, LanguageModel):
            return model
        raise DatasetError(
            f"the model {name} makes embeddings and no text", hint="ask it at /v1/embeddings"
        )

    def embedder(self, name: str) -> EmbeddingModel:
        """A model of embeddings; otherwise as `get`."""
        model = self._get(name)
        if isinstance(model, EmbeddingModel):
            return model
        raise DatasetError(
            f"the model {name} makes text and no embeddings",
            hint="ask one for embeddings, such as all-minilm-l6-v2",
        )

    def _get(self, name: str) -> LanguageModel | EmbeddingModel:
        made = self._makers.get(name)
        base = self.get(made[0]) if made else None
        with self._lock:
            if name not in self._loaded:
                if made and base:
                    self._loaded[name] = made[1](base)
                else:
                    self._loaded[name] = _load(name, self.sources[name], self.dtype, self.int8)
            return self._loaded[name]

    def register(
        self, name: str, base: str, make: Callable[[LanguageModel], LanguageModel]
    ) -> None:
        """Serve one more name, whose model is made from a base's when first used."""
        self._makers[name] = (base, make)
        self.sources = {**self.sources, name: base}

    def unregister(self, name: str) -> None:
        """Stop serving a name, and drop its model."""
        self.sources = {kept: source for kept, source in self.sources.items() if kept != name}
        with self._lock:
            self._makers.pop(name, None)
            self._loaded.pop(name, None)

    def drop(self, name: str) -> None:
        """Free a model's memory, until it is used again."""
        self._loaded.pop(name, None)

    def weights_of(self, name: str) -> dict[str, str]:
        """Number formats of the weights that compute a prompt, and the tokens after the first."""
        loaded = self._loaded.get(name)
        if isinstance(loaded, EmbeddingModel):
            return {"prompt": loaded.dtype_name}
        own = str(self.dtype).removeprefix("torch.")
        int8 = self.int8 if loaded is None else loaded.int8
        return {"prompt": own, "new_tokens": "int8" if int8 else own}

    @property
    def loaded(self) -> Mapping[str, LanguageModel | EmbeddingModel]:
        """The models that are in memory."""
        return dict(self._loaded)


def _load(name: str, source: str, dtype: torch.dtype, int8: bool) -> LanguageModel | EmbeddingModel:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    found = weights.find(source)
    folder = found.path
    try:
        if found.is_gguf:
            dtype_name = str(dtype).removeprefix("torch.")
            folder = weights.converted(found, dtype_name, f"t{transformers.__version__}")
            if not folder.is_dir():
                _convert(found.path, folder, dtype)
        elif makes_embeddings(folder):
            return EmbeddingModel.load(name, found.sha256, folder)
        network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    except ConfigurationError:
        raise
    except Exception as error:  # the libraries raise errors of many classes, some with paths
        _log.error("the model %s cannot be loaded from %s: %s", name, folder, error)
        raise ConfigurationError(
            f"the model {name} cannot be loaded ({type(error).__name__})",
            where=folder,
            hint="check that the folder is complete, or remove it from the cache",
        ) from error
    return LanguageModel(name, found.sha256, network.eval(), tokenizer, int8)


def _convert(gguf: Path, folder: Path, dtype: torch.dtype) -> None:
    import transformers

    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    plain = transformers.GgufConfig(dequantize=True)
    network = transformers.AutoModelForCausalLM.from_pretrained(
        **where, quantization_config=plain, dtype=dtype
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
    with weights.whole_folder(folder) as unfinished:
        network.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
