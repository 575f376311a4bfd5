"""Models that make embeddings: encoders such as BERT, in folders of sentence-transformers or plain.

The text's tokens are pooled and, where the folder says so, normalised, as sentence-transformers
does. Computed in float32: such models are small.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from tunebench.errors import ConfigurationError
from tunebench.server.inference.long_texts import beginning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ENCODERS = frozenset(
    {"albert", "bert", "camembert", "deberta-v2", "distilbert", "electra", "modernbert", "mpnet",
     "nomic_bert", "roberta", "xlm-roberta"}
)  # fmt: skip
_MODULES = "modules.json"
_KINDS = {"Transformer", "Pooling", "Normalize"}
_POOLING = "pooling_mode_"


def makes_embeddings(folder: Path) -> bool:
    """Whether a folder of weights is that of a model for embeddings."""
    if (folder / _MODULES).is_file():
        return True
    return _json(folder / "config.json").get("model_type") in _ENCODERS


@dataclass
class EmbeddingModel:
    """A loaded encoder and its tokenizer.

    Attributes:
        max_length: tokens of a text that count, its special tokens included; the rest is cut off,
            as the model was trained.
        first_token: whether the first token stands for the text, and not the mean of all.
        normalised: whether embeddings have length 1.
    """

    name: str
    sha256: str
    network: Any
    tokenizer: Any
    max_length: int
    first_token: bool = False
    normalised: bool = False
    dtype_name: str = "float32"

    @classmethod
    def load(cls, name: str, sha256: str, folder: Path) -> EmbeddingModel:
        """The model in a folder.

        Raises:
            ConfigurationError: it pools tokens in a way that is not supported.
        """
        import transformers

        modules = _json(folder / _MODULES, [])
        kinds = {str(one["type"]).rpartition(".")[2]: one["path"] for one in modules}
        pooling = _json(folder / kinds.get("Pooling", "") / "config.json") if modules else {}
        modes = {name for name, on in pooling.items() if name.startswith(_POOLING) and on}
        known = {f"{_POOLING}mean_tokens", f"{_POOLING}cls_token"}
        if (
            len(modes) > 1
            or modes - known
            or kinds.keys() - {"Transformer", "Pooling", "Normalize"}
        ):
            raise ConfigurationError(
                f"the model {name} makes embeddings in a way that this server does not support",
                where=folder,
                hint="serve one that takes the mean of all tokens, or the first one",
            )
        network = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        most = getattr(network.config, "max_position_embeddings", None) or 512
        own = _json(folder / "sentence_bert_config.json").get("max_seq_length") or most
        return cls(
            name,
            sha256,
            network,
            transformers.AutoTokenizer.from_pretrained(folder),
            min(own, most),
            first_token=f"{_POOLING}cls_token" in modes,
            normalised="Normalize" in kinds,
        )

    @property
    def vocabulary_size(self) -> int:
        """How many token ids there are."""
        return int(self.network.config.vocab_size)

    @property
    def width(self) -> int:
        """How many numbers an embedding has."""
        return int(self.network.config.hidden_size)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, with special tokens, cut off at the model's length."""
        return self._encoded([beginning(text, self.max_length, self._fills) for text in texts])

    def _fills(self, text: str) -> bool:
        return len(self._encoded([text])[0]) >= self.max_length

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self.tokenizer(
            list(texts), truncation=True, max_length=self.max_length, padding=False
        )
        found: list[list[int]] = encoded["input_ids"]
        return found

    @torch.inference_mode()
    def embed(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """The embeddings of texts, given as token ids: shape (texts, width)."""
        longest = max(map(len, rows))
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for row, given in enumerate(rows):
            ids[row, : len(given)] = torch.tensor(given)
            mask[row, : len(given)] = 1
        hidden = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
        if self.first_token:
            pooled = hidden[:, 0]
        else:
            weights = mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(1) / weights.sum(1)
        return torch.nn.functional.normalize(pooled, dim=1) if self.normalised else pooled


def batches(rows: Sequence[Sequence[int]], tokens: int) -> Iterator[list[int]]:
    """The numbers of rows that are computed together, nearest in length, the longest first.

    Args:
        rows: token ids.
        tokens: of a batch with its padding, at the most; a row is taken even beyond it.
    """
    batch: list[int] = []
    for number in sorted(range(len(rows)), key=lambda number: -len(rows[number])):
        if batch and (len(batch) + 1) * len(rows[batch[0]]) > tokens:
            yield batch
            batch = []
        batch.append(number)
    yield batch


def _json(path: Path, default: Any = None) -> Any:
    """The content of a JSON file; of one that is missing, the default or an empty object."""
    if not path.is_file():
        return {} if default is None else default
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        raise ConfigurationError("this is not JSON", where=path) from None
