"""What a reader must know of an experiment's texts beside its numbers, a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def about_lines(groups: Sequence[int] | None, *, checked_against_data: bool) -> list[str]:
    """The sentences on an experiment; none where its texts are on their own and were read.

    The arguments are fields of `About`.
    """
    lines = []
    if groups is not None:
        n, k = len(groups), len(set(groups))
        texts = "1 text" if n == 1 else f"{n:,} texts"
        of = "1 group" if k == 1 else f"{k:,} groups"
        lines.append(f"{texts} in {of}: the intervals of accuracies count groups.")
    if not checked_against_data:
        lines.append(
            "Prompts not checked against the data: the data set is not on this machine, so items "
            "and labels are those of items.jsonl."
        )
    return lines
