"""The models that are served, by name; loaded when first used.

A fine-tuned model is a base's ``LanguageModel`` with a LoRA adapter, under a name of its own.
"""

import contextlib
import functools
import logging
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tunebench.errors import ConfigurationError, DatasetError
from tunebench.server.inference import weights
from tunebench.server.inference.constraints import GrammarCompiler
from tunebench.server.inference.decoder import (
    Decoder,
    Int8Maps,
    Rows,
    SeparateRows,
    fitting_decoder,
    has_int8,
)
from tunebench.server.inference.embeddings import EmbeddingModel, makes_embeddings
from tunebench.server.inference.head import Head, head_is_all
from tunebench.server.inference.prefix import KeyValues, PrefixCache
from tunebench.server.inference.token_bytes import TokenBytes

_log = logging.getLogger("tunebench.server")

# transformers 5.24 renames the argument, and 5.40 takes the old name away.
warnings.filterwarnings("ignore", message="`past_key_values` is deprecated", category=FutureWarning)

_CACHED_LAYERS = {"full_attention", "sliding_attention"}


def choose_dtype(name: str) -> torch.dtype:
    """The number format of an option: ``auto`` is bfloat16 where the CPU supports it."""
    if name == "auto":
        flags: set[str] = set()
        with contextlib.suppress(OSError):
            flags.update(Path("/proc/cpuinfo").read_text().split())
        # Without these instructions bfloat16 is emulated and slower than float32.
        name = "bfloat16" if flags & {"avx512_bf16", "amx_bf16", "bf16"} else "float32"
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[name]


def context_length(config: Any) -> int:
    """The most tokens that a network takes."""
    return int(getattr(config, "max_position_embeddings", None) or 2048)


def chat_ids(tokenizer: Any, messages: list[dict[str, str]]) -> list[int]:
    """Token ids of messages and of the opening of the next turn; raises as `chat_text`."""
    encoded: dict[str, list[int]] = tokenizer(
        chat_text(tokenizer, messages), add_special_tokens=False
    )
    return encoded["input_ids"]


def chat_text(
    tokenizer: Any,
    messages: Sequence[Mapping[str, Any]],
    prompted: bool = True,
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> str:
    """Messages in the model's chat template; ``prompted`` opens the next turn.

    Raises:
        DatasetError: the model has no template, or its template refuses the messages.
    """
    if not tokenizer.chat_template:
        raise DatasetError(
            "the model has no chat template",
            hint="use prompts and completions instead of messages",
        )
    try:
        text: str = tokenizer.apply_chat_template(
            messages, tools=tools, add_generation_prompt=prompted, tokenize=False
        )
    except Exception as error:  # templates raise errors of many classes
        raise DatasetError(
            "the model's chat template refuses these messages", hint="fix their roles or order"
        ) from error
    return text


@dataclass
class LanguageModel:
    """A loaded model, its tokenizer, and its cache of computed prefixes.

    Attributes:
        int8: whether tokens after the first are decoded with weights of eight bits.
    """

    name: str
    sha256: str
    network: Any
    tokenizer: Any
    int8: bool = False
    prefixes: PrefixCache = field(default_factory=PrefixCache)
    decoder: Decoder | None = None
    int8_maps: Int8Maps = field(default_factory=Int8Maps)

    def __post_init__(self) -> None:
        """Derive what every request needs, and check that the head alone makes the logits."""
        config = self.network.config
        self.token_bytes = TokenBytes(self.tokenizer, self.name)
        self.max_length = context_length(config)
        self.vocabulary_size = int(config.vocab_size)
        self.dtype_name = str(self.network.dtype).removeprefix("torch.")
        self.end_ids = _end_ids(self.network, self.tokenizer)
        self._head = Head(self.network)
        self._tried_decoder = False
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        if kinds - _CACHED_LAYERS or not head_is_all(self, self.network, self.vocabulary_size):
            raise ConfigurationError(
                f"the model {self.name} ({config.model_type}) has layers or an output that this "
                "server does not support",
                hint="serve a decoder with full or sliding-window attention",
            )

    @functools.cached_property
    def grammars(self) -> GrammarCompiler:
        """The compiler of grammars for its tokens; see there how long it takes to make."""
        return GrammarCompiler(self.token_bytes, self.vocabulary_size, self.end_ids)

    @torch.inference_mode()
    def forward(self, ids: torch.Tensor, past: KeyValues | None) -> tuple[torch.Tensor, KeyValues]:
        """One pass through the layers, without the head.

        Rows may be padded on the right: no token sees what comes after it.

        Args:
            ids: shape (rows, tokens).
            past: one row of earlier keys and values, shared by all rows; None at the beginning.

        Returns:
            Last hidden states, shape (rows, tokens, width), and the keys and values of past and
            new tokens, for each row.
        """
        from transformers import DynamicCache

        # Without the config all layers keep all positions, sliding ones too: only the mask applies
        # their window, and a prefix can be cut out of the cache at any place.
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(past or []):
            rows = (ids.shape[0], -1, -1, -1)
            cache.update(keys.expand(rows), values.expand(rows), layer)
        output = self.network.base_model(input_ids=ids, past_key_values=cache, use_cache=True)
        return output.last_hidden_state, [(layer.keys, layer.values) for layer in cache.layers]

    @torch.inference_mode()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits in float32, shape (rows, vocabulary), of hidden states of shape (rows, width)."""
        return self._head(hidden)

    def rows(self) -> Rows | SeparateRows:
        """Room for completions that are decoded together, where this kind of network can be.

        The first call takes about as long as loading the model.
        """
        if not self._tried_decoder:
            self._tried_decoder = True
            for maps in [self.int8_maps, None] if self.int8 else [None]:
                logits = self._head.int8(maps) if maps else self._head
                self.decoder = fitting_decoder(self, self.network, logits, maps)
                if self.decoder:
                    break
            self.int8 = self.decoder is not None and maps is not None
        return Rows(self.decoder) if self.decoder else SeparateRows(self)


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


def _end_ids(network: Any, tokenizer: Any) -> frozenset[int]:
    given = network.generation_config.eos_token_id if network.generation_config else None
    listed = given if isinstance(given, list) else [given]
    return frozenset(int(end) for end in [*listed, tokenizer.eos_token_id] if end is not None)
