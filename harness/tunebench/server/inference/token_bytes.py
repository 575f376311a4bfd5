"""The bytes of token ids.

The tokenizer's own ``decode`` loses what the API needs: the leading space of a single token, and
the bytes of a character that is spread over several tokens.
"""

import codecs
from collections.abc import Sequence
from typing import Any

from tunebench.errors import ConfigurationError


def _byte_level_alphabet() -> dict[str, int]:
    """The byte of each of the characters that GPT-2 writes for the 256 bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    return alphabet | {chr(256 + place): byte for place, byte in enumerate(rest)}


_BYTE_LEVEL = _byte_level_alphabet()


class TokenBytes:
    """Bytes, text and line ends of a tokenizer's ids (byte-level or metaspace vocabularies)."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        """Find out which of the two alphabets the vocabulary is written in.

        Raises:
            ConfigurationError: neither of them.
        """
        self._tokenizer = tokenizer
        self._added = {
            token_id: str(token).encode()
            for token_id, token in tokenizer.added_tokens_decoder.items()
        }
        self._special = frozenset(tokenizer.all_special_ids)
        self._known: dict[int, bytes] = {}
        sample = tokenizer.convert_ids_to_tokens(
            tokenizer("a b", add_special_tokens=False)["input_ids"]
        )
        self._byte_level = any("Ġ" in token for token in sample)
        if not self._byte_level and not any("▁" in token for token in sample):
            raise ConfigurationError(
                f"the tokenizer of {name} writes a space neither as Ġ nor as ▁, so that the text "
                "of a token is unknown",
                hint="use a model with a byte-level or SentencePiece tokenizer",
            )

    def of(self, token_id: int) -> bytes:
        """The bytes that a token adds to a text; a special token's are its name."""
        known = self._known.get(token_id)
        if known is None:
            known = self._known[token_id] = self._look_up(token_id)
        return known

    def is_special(self, token_id: int) -> bool:
        """Whether the token marks something (a beginning, an end) and is not text."""
        return token_id in self._special

    def ends_line(self, token_id: int) -> bool:
        """Whether the token holds a line end."""
        return b"\n" in self.of(token_id)

    def label(self, token_id: int) -> str:
        r"""The token as a JSON string; bytes that are not UTF-8 become ``bytes:\x..``."""
        raw = self.of(token_id)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)

    def text(self, ids: Sequence[int]) -> str:
        """The text of a whole sequence, special tokens by name."""
        return b"".join(map(self.of, ids)).decode(errors="replace")

    def _look_up(self, token_id: int) -> bytes:
        if token_id in self._added:
            return self._added[token_id]
        token = self._tokenizer.convert_ids_to_tokens(token_id)
        if token is None:
            return b""  # padding rows that widen the embedding beyond the vocabulary
        if self._byte_level:
            return bytes(_BYTE_LEVEL[character] for character in token)
        if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            return bytes([int(token[3:5], 16)])
        return str(token).replace("▁", " ").encode()


class RunningText:
    """A completion's text as it grows, cut at the first stop text.

    Attributes:
        text: the text so far, without an unfinished character at its end.
        stopped: whether a stop text was found; the text then ends before it.
    """

    def __init__(self, token_bytes: TokenBytes, stop: Sequence[str]) -> None:
        self._token_bytes = token_bytes
        self._stop = stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.text = ""
        self.stopped = False

    @property
    def settled(self) -> str:
        """The text that later tokens cannot take back: without what may begin a stop text."""
        held = 0
        if not self.stopped:
            for stop in self._stop:
                for length in range(min(len(stop) - 1, len(self.text)), held, -1):
                    if self.text.endswith(stop[:length]):
                        held = length
                        break
        return self.text[: len(self.text) - held]

    def add(self, token_id: int) -> None:
        """Append a token; special tokens add nothing."""
        if not self._token_bytes.is_special(token_id):
            self._append(self._decoder.decode(self._token_bytes.of(token_id)))

    def finish(self) -> None:
        """An unfinished character at the end becomes U+FFFD."""
        if not self.stopped:
            self._append(self._decoder.decode(b"", final=True))

    def _append(self, added: str) -> None:
        self.text += added
        places = [place for stop in self._stop if (place := self.text.find(stop)) >= 0]
        if places:
            self.stopped = True
            self.text = self.text[: min(places)]
