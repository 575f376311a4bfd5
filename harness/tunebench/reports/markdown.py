"""The results as Markdown, for a pull request or the summary of a CI run."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from tunebench.reports.of_texts import about_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FLIPS_SHOWN = 50
_MARKS = re.compile(r"([\\`*_{}\[\]|~])")


def summary_markdown(document: Mapping[str, Any]) -> str:
    """The answers, tables of cells and uplifts, and the verdict of each gate.

    Args:
        document: what ``results.json`` holds.

    Returns:
        Markdown of GitHub's flavour. Names and sentences come out as they are: HTML and what
        Markdown would take for a mark are escaped.
    """
    lines = ["# tunebench", ""]
    several = len(document["experiments"]) > 1
    for answer in document["answers"]:
        name = f"{answer['experiment']}: " if several else ""
        lines += [f"**{_text(name + answer['sentence'])}**", ""]
        if answer["against"]:
            lines += [*(f"- {_text(sentence)}" for sentence in answer["against"]), ""]
        if answer["statistics"]:
            lines += [_text(answer["statistics"]), ""]
    for about in document["experiments"]:
        lines += [
            f"**{_text(about['name'])}**: {about['n']} texts of {_text(about['dataset'])}, labels "
            f"{_text(', '.join(about['labels']))}; always the most frequent one is right in "
            f"{about['majority_rate']:.3f}.",
            *map(
                _text,
                about_lines(
                    about.get("groups"),
                    checked_against_data=about.get("checked_against_data", True),
                ),
            ),
            "",
        ]
    if document["cells"]:
        head = ["experiment", "cell", "n", "accuracy", "95 % interval", "majority", "verdict"]
        lines += [*_table(head, map(_cell, document["cells"])), ""]
    if document["uplifts"]:
        head = ["experiment", "cell", "over", "uplift", "95 % interval", "p", "Holm", "n"]
        lines += ["## Uplifts", "", *_table(head, map(_uplift, document["uplifts"])), ""]
    gates = [gate for cell in document["cells"] for gate in cell["gates"]]
    if gates:
        lines += ["## Verdicts", ""]
        lines += [f"- **{gate['verdict']}** {_text(gate['sentence'])}" for gate in gates] + [""]
    if document["break_evens"]:
        lines += ["## Costs", ""]
        lines += [f"- {_text(entry['sentence'])}" for entry in document["break_evens"]] + [""]
    if document["errors"]:
        lines += ["## Without a result", ""]
        lines += [f"- {_text(error['error'])}" for error in document["errors"]] + [""]
    return "\n".join(lines)


def comparison_markdown(found: Mapping[str, Any]) -> str:
    """The comparison of two runs: answers, a table of cells, and both predictions of each flip.

    Args:
        found: what ``tunebench compare --json`` prints.
    """
    lines = [f"# tunebench: {_text(found['b'])} compared with {_text(found['a'])}", ""]
    lines += [f"- **fails** {_text(sentence)}" for sentence in found["failures"]]
    lines += [""] if found["failures"] else []
    head = ["experiment", "cell", "before", "now", "difference", "95 % interval", "p", "n"]
    lines += [*_table(head, map(_compared, found["cells"])), ""]
    flips = [(cell, flip) for cell in found["cells"] for flip in cell["flips"]]
    if flips:
        head = ["experiment", "cell", "item", "place", "label", "before", "now"]
        lines += ["## Changed answers", ""]
        lines += [*_table(head, (_flip(*one) for one in flips[:_FLIPS_SHOWN])), ""]
    if len(flips) > _FLIPS_SHOWN:
        lines += [f"And {len(flips) - _FLIPS_SHOWN} more.", ""]
    for run, key in (("before", "only_a"), ("now", "only_b")):
        if found[key]:
            cells = ", ".join(f"{cell['cell']} of {cell['experiment']}" for cell in found[key])
            lines += [_text(f"Only {run}: {cells}."), ""]
    for answer in found.get("answers", ()):
        lines += [f"## Answer of {_text(answer['experiment'])}", ""]
        lines += [
            f"- **{run}** {_text(answer[key] or 'none')}"
            for run, key in (("before", "a"), ("now", "b"))
        ]
        lines += [""]
    return "\n".join(lines)


def _compared(cell: Mapping[str, Any]) -> Sequence[str]:
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


def _flip(cell: Mapping[str, Any], flip: Mapping[str, Any]) -> Sequence[str]:
    named = (flip[key] or "-" for key in ("place", "label", "a", "b"))
    return cell["experiment"], cell["cell"], flip["item"], *named


def _cell(row: Mapping[str, Any]) -> Sequence[str]:
    return (
        row["experiment"],
        row["cell"],
        str(row["n"]),
        f"{row['accuracy']:.3f}",
        f"{row['ci_low']:.3f} to {row['ci_high']:.3f}",
        f"{row['majority_rate']:.3f}",
        row["verdict"] or "-",
    )


def _uplift(row: Mapping[str, Any]) -> Sequence[str]:
    return (
        row["experiment"],
        row["cell"],
        row["over"],
        f"{row['difference']:+.3f}",
        f"{row['ci_low']:+.3f} to {row['ci_high']:+.3f}",
        f"{row['p']:.2g}",
        f"{row['holm_p']:.2g}",
        str(row["n"]),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *(list(map(_text, row)) for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _text(value: str) -> str:
    """One line of text that neither Markdown nor HTML takes for a mark."""
    return _MARKS.sub(r"\\\1", html.escape(" ".join(value.split()), quote=False))
