"""The answer with its evidence, and what was measured."""

from __future__ import annotations

from markupsafe import Markup

from tunebench.reports.page import blocks
from tunebench.reports.page.section import Blocks, Section, View


def _answer(view: View) -> Blocks:
    if not view.parts["answers"]:
        return []
    content = []
    for answer in view.parts["answers"]:
        content.append(blocks.paragraph(answer["sentence"], "answer"))
        if answer.get("decision"):
            decision = Markup("Decision: <strong>{}</strong>").format(answer["decision"])
            content.append(blocks.paragraph(decision, "decision"))
        if answer.get("evidence"):
            content.append(blocks.bullets(answer["evidence"], "evidence"))
    return [*content, blocks.facts(_facts(view))]


def _measured(view: View) -> Blocks:
    if view.parts["answers"]:
        return []
    return [
        blocks.paragraph("The results contain no answer; below is what was measured."),
        blocks.facts(_facts(view)),
    ]


def _facts(view: View) -> list[tuple[str, str]]:
    cells, errors = view.cells, view.parts["errors"]
    texts = view.experiment.get("n") or max((cell["n"] for cell in cells), default=None)
    currencies = {cell["currency"] for cell in cells if cell.get("currency")}
    found = [
        ("texts", blocks.written(texts, ",")),
        ("labels", ", ".join(map(str, view.experiment.get("labels") or ())) or blocks.NOTHING),
        ("majority label", blocks.written(view.majority, ".3f")),
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
