"""The answer with its evidence, and what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from tunebench.reports.page.blocks import NOTHING, bullets, facts, paragraph, written
from tunebench.reports.page.section import Section, View

if TYPE_CHECKING:
    from collections.abc import Sequence


def _answer(view: View) -> Sequence[Markup]:
    if not view.parts["answers"]:
        return []
    blocks = []
    for answer in view.parts["answers"]:
        blocks.append(paragraph(answer["sentence"], "answer"))
        if answer.get("decision"):
            decision = Markup("Decision: <strong>{}</strong>").format(answer["decision"])
            blocks.append(paragraph(decision, "decision"))
        if answer.get("evidence"):
            blocks.append(bullets(answer["evidence"], "evidence"))
    return [*blocks, facts(_facts(view))]


def _measured(view: View) -> Sequence[Markup]:
    if view.parts["answers"]:
        return []
    return [
        paragraph("The results contain no answer; below is what was measured."),
        facts(_facts(view)),
    ]


def _facts(view: View) -> list[tuple[str, str]]:
    cells, errors = view.cells, view.parts["errors"]
    texts = view.experiment.get("n") or max((cell["n"] for cell in cells), default=None)
    currencies = {cell["currency"] for cell in cells if cell.get("currency")}
    found = [
        ("texts", written(texts, ",")),
        ("labels", ", ".join(map(str, view.experiment.get("labels") or ())) or NOTHING),
        ("majority label", written(view.majority, ".3f")),
        ("models", str(len({cell["model"] for cell in cells}))),
        ("cells", f"{len(cells):,}"),
    ]
    if errors:
        found.append(("cells without a result", f"{len(errors):,}"))
    if currencies:
        found.append(("prices in", ", ".join(sorted(currencies))))
    return found


ANSWER = Section("answer", "The answer", _answer)
MEASURED = Section("measured", "What was measured", _measured)
