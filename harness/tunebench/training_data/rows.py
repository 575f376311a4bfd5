"""The rows of a training file, which the steps of a preparation change in place."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(eq=False)
class Rows:
    """n prompts and completions.

    Lists, not a data frame: a million rows take less memory, since texts can be replaced one by
    one, and less time.

    Attributes:
        prompts: n prompts; in a chat file, a digest of all that comes before the last message.
        completions: n completions; in a chat file, the content of the last message.
        places: where each row begins in the file, counted from 1.
        unit: what `places` counts: ``line``, ``row`` or ``record``.
        chat: in a chat file, n lines as they are in the file; otherwise None.
        converted: why the file has to be written again, whatever its rows hold; a clause each.
    """

    prompts: list[str]
    completions: list[str]
    places: list[int]
    unit: str = "line"
    chat: list[str] | None = None
    converted: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.prompts)

    def keep(self, kept: Sequence[bool]) -> None:
        """Drop the rows whose flag is false."""
        self.prompts = list(compress(self.prompts, kept))
        self.completions = list(compress(self.completions, kept))
        self.places = list(compress(self.places, kept))
        if self.chat is not None:
            self.chat = list(compress(self.chat, kept))
