"""The rows of a user's file, held in little more memory than the file takes."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class NoUtf8Error(Exception):
    """A text that UTF-8 cannot say, with the number of its line."""

    def __init__(self, line: int, character: str) -> None:
        super().__init__(line, character)
        self.line = line
        self.character = character


def utf8(text: str, line: int) -> bytes:
    """A text of a line in UTF-8.

    Raises:
        NoUtf8Error: it holds half a surrogate pair.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NoUtf8Error(line, text[error.start]) from None


# More different completions than this are held one by one: a table of them would only cost memory.
_SHARED_COMPLETIONS = 65536


@dataclass(eq=False)
class Rows:
    """n rows; texts are UTF-8 bytes, which take a quarter of what a str with one emoji takes.

    Attributes:
        prompts: n prompts; in a chat file, a digest of all that stands before the last message.
        completions: n completions; in a chat file, the content of the last message.
        lines: n line numbers in the file, counted from 1.
        chat: in a chat file, n lines as they stand in the file; otherwise None.
        converted: why the file has to be written again, whatever its rows hold; a sentence each.
    """

    prompts: list[bytes] = field(default_factory=list)
    completions: list[bytes] = field(default_factory=list)
    lines: array[int] = field(default_factory=lambda: array("Q"))
    chat: list[bytes] | None = None
    converted: list[str] = field(default_factory=list)
    _shared: dict[bytes, bytes] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.prompts)

    def note(self, sentence: str) -> None:
        """Say once why the file has to be written again."""
        if sentence not in self.converted:
            self.converted.append(sentence)

    def append(self, prompt: bytes, completion: bytes, line: int) -> None:
        """Add a row; equal completions are kept once."""
        shared = self._shared
        if len(shared) < _SHARED_COMPLETIONS:
            completion = shared.setdefault(completion, completion)
        else:
            completion = shared.get(completion, completion)
        self.prompts.append(prompt)
        self.completions.append(completion)
        self.lines.append(line)

    def keep(self, kept: Sequence[bool] | bytearray) -> None:
        """Drop the rows whose flag is false."""
        self.prompts = list(compress(self.prompts, kept))
        self.completions = list(compress(self.completions, kept))
        self.lines = array("Q", compress(self.lines, kept))
        if self.chat is not None:
            self.chat = list(compress(self.chat, kept))

    def forget_sharing(self) -> None:
        """Free the table of equal completions once no row will be added."""
        self._shared = {}
