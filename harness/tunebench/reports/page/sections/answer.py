"""The answer: its badge, the chart of the options, and what speaks against it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from markupsafe import Markup

from tunebench.reports.page import blocks
from tunebench.reports.page.charts import Dot, dot_chart, dot_keys
from tunebench.reports.page.section import Blocks, Section, View

if TYPE_CHECKING:
    from tunebench.reports.answers import Answer, Option

_HEIGHT = 370  # pixels of rows: with the badge they fill the first screen of a phone


def _content(view: View) -> Blocks:
    answer = view.answer
    if answer is None:
        if not view.cells:
            return []
        said = "The results contain no answer; below is what was measured."
        return [blocks.paragraph(said), *_rest(view)]
    if not answer.options:
        return [blocks.paragraph(answer.sentence, "verdict"), *_against(view, answer)]
    badge = Markup('<p class="badge {}">{}</p>').format(
        (answer.verdict or "undecided").replace(" ", "-"), answer.badge or answer.verdict
    )
    sentence = answer.sentence.removeprefix(f"{answer.badge}: ")
    verdict = [badge, blocks.paragraph(sentence, "verdict")]
    return [
        blocks.group(
            "hero",
            blocks.group("decision", *verdict),
            _chart(view, answer),
            blocks.group("rest", *_against(view, answer)),
        ),
        blocks.folded("All options as a table", _table(view, answer)),
    ]


def _against(view: View, answer: Answer) -> list[Markup]:
    content = []
    if answer.against:
        heading = Markup("<h{0}>What speaks against it</h{0}>").format(view.level + 1)
        content = [heading, blocks.bullets(answer.against, "against")]
    if answer.statistics:
        content.append(blocks.paragraph(answer.statistics, "note"))
    return [*content, *_rest(view)]


def _rest(view: View) -> list[Markup]:
    about, content = view.about, []
    if not about.checked_against_data:
        content.append(
            blocks.paragraph(
                "Prompts not checked against the data: the data set was not on the machine that "
                "made these results.",
                "warning",
            )
        )
    rate, lost = about.majority_rate, len(view.results.errors)
    found = [
        ("texts", blocks.written(about.n or max((cell.n for cell in view.cells), default=None))),
        ("labels", ", ".join(about.labels) or blocks.NOTHING),
        ("most frequent label", blocks.written(rate, ".3f")),
        ("models", str(len({cell.model for cell in view.cells}))),
        ("cells", f"{len(view.cells):,}"),
        *([("cells without a result", f"{lost:,}")] if lost else []),
    ]
    return [*content, blocks.facts(found)]


def decisive(answer: Answer) -> list[Option]:
    """The options that the chart shows.

    Those that decide, the best of each kind, of each model and training size, and the best others.
    """
    best: dict[object, Option] = {}
    for option in answer.options:
        best.setdefault(option.kind, option)
    for option in answer.options:
        best.setdefault((option.kind, option.model, option.train_size), option)
    decide = [one for one in answer.options if one.name in (answer.chosen, answer.rival)]
    shown, free = [], float(_HEIGHT)
    for option in [*decide, *best.values(), *answer.options]:
        height = _dot(option, answer).height
        if option not in shown and free >= height:
            shown.append(option)
            free -= height
    return [option for option in answer.options if option in shown]


def _dot(option: Option, answer: Answer) -> Dot:
    return Dot(
        label=option.name,
        kind=option.kind,
        value=option.accuracy,
        low=option.ci_low,
        high=option.ci_high,
        runs=option.runs,
        strong=option.name in (answer.chosen, answer.rival),
    )


def _chart(view: View, answer: Answer) -> Markup:
    shown = decisive(answer)
    dots = [_dot(option, answer) for option in shown]
    constant = next((one.accuracy for one in answer.options if one.kind == "constant"), None)
    lowest = min(min(dot.low, dot.value, *dot.runs) for dot in dots)
    chart = dot_chart(
        dots,
        title="accuracy, 95 % interval",
        form=".3f",
        limits=(math.floor(lowest * 10) / 10, 1),
        line=constant,
    )
    best = shown[0]
    drawing = chart.svg(
        f"{view.id}-answer-chart",
        "Accuracy of the options with 95 % intervals",
        f"{len(shown)} options, the most accurate first: {best.name}, {best.accuracy:.3f}. The "
        "table below has all values.",
        "rows",
    )
    note = blocks.bounded(len(shown), len(answer.options), "options that decide", "options")
    return blocks.group("chart", blocks.figure(drawing, dot_keys(dots)), *note)


def _table(view: View, answer: Answer) -> Markup:
    columns: list[blocks.Column[Option]] = [
        blocks.words("option", lambda o: o.name),
        blocks.words("kind", lambda o: o.kind),
        blocks.numbers("accuracy", ".3f", lambda o: o.accuracy),
        ("95 % interval", True, lambda o: blocks.interval(o.ci_low, o.ci_high)),
        ("each training", True, lambda o: ", ".join(f"{run:.3f}" for run in o.runs[:9])),
        blocks.numbers("AUC", ".3f", lambda o: o.auc),
        blocks.numbers("training rows", ",", lambda o: o.train_size or None),
        blocks.numbers("cost of 1,000 answers", ",.4g", lambda o: o.cost_per_1000),
        blocks.numbers("of training", ",.4g", lambda o: o.training_cost),
        blocks.words("in", lambda o: o.currency),
    ]
    return blocks.table(f"{view.id}-answer-table", "All options", columns, answer.options)


SECTION = Section("answer", "The answer", _content)
