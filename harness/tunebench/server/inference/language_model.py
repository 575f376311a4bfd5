"""A language model that is loaded: its layers and its head, its tokenizer and its chat template."""

import functools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from tunebench.errors import ConfigurationError, DatasetError
from tunebench.server.inference.constraints import GrammarCompiler
from tunebench.server.inference.decoder import (
    Decoder,
    Int8Maps,
    Rows,
    SeparateRows,
    fitting_decoder,
)
from tunebench.server.inference.head import Head, head_is_all
from tunebench.server.inference.prefix import KeyValues, PrefixCache
from tunebench.server.inference.token_bytes import TokenBytes

# transformers 5.24 renames the argument, and 5.40 takes the old name away.
warnings.filterwarnings("ignore", message="`past_key_values` is deprecated", category=FutureWarning)

_CACHED_LAYERS = {"full_attention", "sliding_attention"}


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


def _end_ids(network: Any, tokenizer: Any) -> frozenset[int]:
    given = network.generation_config.eos_token_id if network.generation_config else None
    listed = given if isinstance(given, list) else [given]
    return frozenset(int(end) for end in [*listed, tokenizer.eos_token_id] if end is not None)
