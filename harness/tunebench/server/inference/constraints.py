"""Constrained decoding: the tokens that a grammar of llguidance permits next."""

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch

from tunebench.server.http_errors import ApiError
from tunebench.server.inference.token_bytes import TokenBytes

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLParserLimits

# llguidance's own limits let a compilation take several times as long.
_MAX_LEXER_FUEL = 500_000
_MAX_GRAMMAR_SIZE = 50_000
_MAX_LEXER_STATES = 50_000


class GrammarError(ValueError):
    """A grammar that cannot be compiled; the message is the library's reason, in one line."""


class ConstraintError(ApiError):
    """400 for an answer that its grammar does not let go on."""

    def __init__(self) -> None:
        super().__init__(
            400,
            "The schema leads to a place where no token goes on, or is too complex to go on from; "
            "simplify it.",
            code="schema_too_complex",
        )


class TokenConstraint:
    """What one completion may hold, token by token.

    Attributes:
        finished: whether the text is complete and nothing can follow it.
    """

    def __init__(self, matcher: "LLMatcher", size: int) -> None:
        self._matcher = matcher
        self._size = size
        self.finished = False

    def allowed(self) -> torch.Tensor:
        """Which tokens may come next: bool, shape (vocabulary,); an end token where it may end.

        Raises:
            ConstraintError: the grammar is too complex to go on, or no token goes on.
        """
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        mask = np.unpackbits(bits, count=self._size, bitorder="little").astype(bool)
        if self._matcher.is_error() or not mask.any():
            raise ConstraintError
        return torch.from_numpy(mask)

    def accept(self, token_id: int) -> None:
        """Go on after a token, which must not be an end token.

        Raises:
            ConstraintError: as `allowed`; also for a token that is not allowed.
        """
        if not self._matcher.consume_token(token_id):
            raise ConstraintError
        self.finished = self._matcher.is_stopped()


class Grammar:
    """A compiled grammar, from which every completion gets a constraint of its own."""

    def __init__(self, matcher: "LLMatcher", size: int) -> None:
        self._matcher = matcher
        self._size = size

    def start(self) -> TokenConstraint:
        """A constraint at the beginning of a completion."""
        return TokenConstraint(self._matcher.deep_copy(), self._size)


class GrammarCompiler:
    """Compiles grammars for the vocabulary of one model.

    To make one takes about 0.1 s for 50,000 tokens and 0.7 s for 262,144, with Python's lock held.
    """

    def __init__(self, token_bytes: TokenBytes, size: int, end_ids: Iterable[int]) -> None:
        """Read the vocabulary.

        Args:
            token_bytes: of the model's tokenizer.
            size: token ids that the model has logits for.
            end_ids: tokens that end an answer.
        """
        from llguidance import LLTokenizer

        self._size = size
        # Without an end token an answer ends where nothing can follow, or at max_tokens.
        ends = sorted(end_ids) or [size]
        self._tokenizer = LLTokenizer(
            _Vocabulary(token_bytes, size + 1, ends[0]),
            n_vocab=size + 1,
            eos_token=ends,
            slices=[],  # they double the time, for masks that are fast without them
        )

    def compile(self, lark: str) -> Grammar:
        """The compiled form of a grammar in llguidance's variant of Lark; holds no lock.

        Raises:
            GrammarError: it is not valid, uses what the library does not have, or is too large.
        """
        from llguidance import LLMatcher

        matcher = LLMatcher(self._tokenizer, lark, log_level=0, limits=_limits())
        if matcher.is_error():
            lines = matcher.get_error().strip().splitlines()
            raise GrammarError(lines[0].rstrip(".") if lines else "it is not valid")
        return Grammar(matcher, self._size)


class _Vocabulary:
    """A tokenizer in the form that llguidance takes."""

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(self, token_bytes: TokenBytes, size: int, end_id: int) -> None:
        self.eos_token_id = end_id
        self.tokens = [b""] * size
        for token_id in range(size - 1):
            # A vocabulary may hold a token that is written in no known alphabet.
            with contextlib.suppress(KeyError):
                self.tokens[token_id] = token_bytes.of(token_id)
        self.special_token_ids = list(filter(token_bytes.is_special, range(size)))
        self._by_byte = {raw: place for place, raw in enumerate(self.tokens) if len(raw) == 1}

    def __call__(self, text: str) -> list[int]:
        """Token ids of a text, of which masks need only some."""
        known = (self._by_byte.get(bytes([byte])) for byte in text.encode())
        return [token_id for token_id in known if token_id is not None]


def _limits() -> "LLParserLimits":
    from llguidance import LLParserLimits

    return LLParserLimits(
        initial_lexer_fuel=_MAX_LEXER_FUEL,
        max_grammar_size=_MAX_GRAMMAR_SIZE,
        max_lexer_states=_MAX_LEXER_STATES,
        verbose_errors=False,
    )
