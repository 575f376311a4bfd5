"""Columns of text, aligned and fitted to the width of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Paint = Callable[[str, str], str]

GAP = "  "
_FIGURES = frozenset("0123456789+-±.,/%<e() ")
_SHORT = 12  # so short may texts that are no keys get, to keep a table in one piece
_LEAST = 6  # so short may any text get


def aligned(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    width: int | None = None,
    keys: int = 1,
    paint: Paint | None = None,
) -> list[str]:
    """Align columns: figures to the right, other texts to the left, all safe to print.

    Args:
        header: the columns' titles.
        rows: a text a column.
        width: of the terminal; None is any width. A wider table loses the middle of its texts, and
            if that is not enough it continues below itself.
        keys: so many first columns say what a row is, and are repeated where it continues. They
            are shortened last.
        paint: colours a text that is already padded, given the title of its column.
    """
    columns = [list(map(printable, column)) for column in zip(header, *rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    if width is not None:
        widths = _fitted(columns, widths, width, keys)
    padded = [_padded(*column) for column in zip(columns, widths, strict=True)]
    if paint is not None:
        for title, column in zip(header, padded, strict=True):
            column[1:] = [paint(title, text) for text in column[1:]]
    lines: list[str] = []
    for block in _blocks(widths, width, keys):
        lines += [""] * bool(lines)
        shown = zip(*(padded[i] for i in block), strict=True)
        lines += [GAP.join(texts).rstrip() for texts in shown]
    return lines


def _padded(column: Sequence[str], width: int) -> list[str]:
    texts = (_shortened(text, width) for text in column)
    return [text.rjust(width) if _has_figures(column) else text.ljust(width) for text in texts]


def _has_figures(column: Sequence[str]) -> bool:
    return all(set(text.replace(" to ", " ")) <= _FIGURES for text in column[1:])


def _shortened(text: str, width: int) -> str:
    """A text without its middle: ids differ in their ends as often as in their beginnings."""
    if len(text) <= width:
        return text
    kept = width - len("...")
    return f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"


def _fitted(
    columns: Sequence[Sequence[str]], widths: Sequence[int], width: int, keys: int
) -> list[int]:
    """The columns' widths, so that all columns fit, or else the keys and each of the others."""
    least = [
        one if i < keys or _has_figures(column) else min(one, _SHORT)
        for i, (one, column) in enumerate(zip(widths, columns, strict=True))
    ]
    room = width - len(GAP) * (len(widths) - 1)
    fitted = _narrowed(widths, room, least)
    if sum(fitted) <= room:
        return fitted
    room = width - len(GAP) * keys
    first = _narrowed(widths[:keys], room - max(least[keys:], default=0), [_LEAST] * keys)
    left = max(room - sum(first), _LEAST)
    return [*first, *(min(one, left) for one in widths[keys:])]


def _narrowed(widths: Sequence[int], room: int, least: Sequence[int]) -> list[int]:
    """Widths that fit into the room together, the widest ones narrowed first."""
    narrow = list(widths)
    while sum(narrow) > room:
        wide = [i for i, one in enumerate(narrow) if one > least[i]]
        if not wide:
            break
        narrow[max(wide, key=narrow.__getitem__)] -= 1
    return narrow


def _blocks(widths: Sequence[int], width: int | None, keys: int) -> list[list[int]]:
    """The columns that are shown side by side, by number."""
    blocks = [list(range(keys))]
    for i, own in enumerate(widths[keys:], keys):
        used = sum(widths[j] + len(GAP) for j in blocks[-1])
        if width is not None and len(blocks[-1]) > keys and used + own > width:
            blocks.append(list(range(keys)))
        blocks[-1].append(i)
    return blocks
