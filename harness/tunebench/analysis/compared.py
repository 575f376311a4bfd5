"""The output of ``tunebench compare`` as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunebench.analysis.regression import flips
from tunebench.reports import aligned

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = ("experiment", "cell", "A", "B", "B - A", "95 % interval", "p", "n")


def compared_lines(found: Mapping[str, Any]) -> list[str]:
    """The table of the cells in both runs, the texts that flipped, and what one run has alone.

    Args:
        found: the object that ``--json`` prints.
    """
    lines = [f"A: {found['a']}", f"B: {found['b']}", ""]
    lines += aligned(_HEADER, map(_line, found["cells"]))
    notes = []
    for cell in found["cells"]:
        if not cell["n"] == cell["n_a"] == cell["n_b"]:
            notes.append(
                f"{cell['cell']}: compared on the {cell['n']} texts in common, of {cell['n_a']} "
                f"in A and {cell['n_b']} in B"
            )
        places = {flip["item"]: flip["place"] for flip in cell["flips"] if flip["place"]}
        for kind, items in (("right in A only", "lost"), ("right in B only", "gained")):
            if cell[items]:
                notes.append(f"{cell['cell']}: {flips(kind, cell[items], places)}")
    for run, key in (("A", "only_a"), ("B", "only_b")):
        if found[key]:
            notes.append(f"in {run} only: {', '.join(cell['cell'] for cell in found[key])}")
    for answer in found.get("answers", ()):
        for run, key in (("A", "a"), ("B", "b")):
            notes.append(f"answer of {answer['experiment']} in {run}: {answer[key] or 'none'}")
    notes += found["failures"]
    return [*lines, "", *notes] if notes else lines


def _line(cell: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        cell["experiment"],
        cell["cell"],
        f"{cell['accuracy_a']:.3f}",
        f"{cell['accuracy_b']:.3f}",
        f"{cell['difference']:+.3f}",
        f"{cell['ci_low']:+.3f} to {cell['ci_high']:+.3f}",
        f"{cell['p']:.2g}",
        str(cell["n"]),
    )
