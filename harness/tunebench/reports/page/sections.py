"""The sections of the page that show a chart, each with the table that holds the same and more.

A chart of hundreds of lines says nothing: each shows a sensible number and says which. The tables
leave nothing out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunebench.reports.page import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Row = Mapping[str, Any]
    Section = dict[str, Any]

MOST_LINES = 60
MOST_SERIES = 8
MOST_POINTS = 200
MOST_JOBS = 24
_MOST_STEPS = 24


def accuracy(
    cells: Sequence[Row], baselines: Sequence[Row], majority: float | None, drawings: Any
) -> Section | None:
    """Accuracy by cell, with its interval."""
    rows = [*cells, *baselines]
    if not rows:
        return None
    shown = _first(rows, MOST_LINES, lambda row: -row["accuracy"])
    chart = None
    if drawings is not None:
        from tunebench.reports.page.interval_charts import Estimate, interval_figure

        kinds = ("fine-tuned", "prompted", "yardstick")
        estimates = [
            Estimate(
                group=row["model"] if "cell" in row else "yardsticks",
                label=short(row) if "cell" in row else tables.baseline_name(row),
                kind=kinds[_kind(row)],
                value=row["accuracy"],
                low=row["ci_low"],
                high=row["ci_high"],
            )
            for row in _grouped(shown)
        ]
        best = max(rows, key=lambda row: row["accuracy"])
        chart = drawings.draw(
            lambda: interval_figure(
                estimates,
                kinds,
                title="accuracy, 95 % interval",
                form=".3f",
                limits=(-0.01, 1.01),
                line=None if majority is None else (majority, "always the majority label"),
            ),
            "Accuracy of each cell with its 95 % interval",
            f"{len(shown)} lines. The highest accuracy is {best['accuracy']:.3f}, of "
            f"{best.get('cell') or tables.baseline_name(best)}. The table below has all values.",
        )
    return {
        "chart": chart,
        "note": _note(shown, rows, "of highest accuracy", "cells and yardsticks"),
        "table": tables.accuracies(cells, baselines),
    }


def uplift(rows: Sequence[Row], drawings: Any) -> Section | None:
    """What each cell gains over another."""
    if not rows:
        return None
    shown = _first(rows, MOST_LINES, lambda row: -abs(row["difference"]))
    chart = None
    if drawings is not None:
        from tunebench.reports.page.interval_charts import Estimate, interval_figure

        kinds = ("the interval leaves 0 out", "the interval holds 0")
        estimates = [
            Estimate(
                group=str(row.get("model") or row["cell"]),
                label=f"{short(row)} over {_other(row)}",
                kind=kinds[row["ci_low"] <= 0 <= row["ci_high"]],
                value=row["difference"],
                low=row["ci_low"],
                high=row["ci_high"],
            )
            for row in shown
        ]
        reach = max(0.1, *(max(abs(row["ci_low"]), abs(row["ci_high"])) for row in shown))
        lowest = min(0.0, *(row["ci_low"] for row in shown))
        clear = sum(estimate.kind == kinds[0] for estimate in estimates)
        chart = drawings.draw(
            lambda: interval_figure(
                estimates,
                kinds,
                title="uplift in accuracy, 95 % interval",
                form="+.3f",
                limits=(min(lowest, -0.1) - 0.02, reach + 0.02),
                line=(0, "no difference"),
            ),
            "Uplift of each comparison with its 95 % interval",
            f"{len(shown)} lines. The interval leaves 0 out in {clear} of them. The table below "
            "has all values.",
        )
    return {
        "chart": chart,
        "note": _note(shown, rows, "with the largest differences", "comparisons"),
        "table": tables.uplifts(rows),
    }


def sizes(
    cells: Sequence[Row], baselines: Sequence[Row], majority: float | None, drawings: Any
) -> Section | None:
    """Accuracy by training size, beside each model's best prompt."""
    tuned = [cell for cell in cells if cell.get("train_size")]
    if not tuned:
        return None
    series: dict[str, list[Row]] = {}
    for cell in tuned:
        name = ", ".join(str(part) for part in (cell["model"], cell.get("decision_rule")) if part)
        series.setdefault(name, []).append(cell)
    for name, line in series.items():
        same = (line[0]["model"], line[0].get("decision_rule"))
        prompted = [
            cell
            for cell in cells
            if not cell.get("train_size") and (cell["model"], cell.get("decision_rule")) == same
        ]
        if prompted:
            best = max(prompted, key=lambda cell: cell["accuracy"])
            series[name] = [{**best, "train_size": 0}, *line]
    for row in baselines:
        series.setdefault(row["model"], []).append(row)
    rows = [{**row, "series": name} for name, line in series.items() for row in line]
    names = list(series)
    shown = _first(names, MOST_SERIES, lambda name: -max(r["accuracy"] for r in series[name]))
    chart = None
    if drawings is not None:
        from tunebench.reports.page.line_charts import sizes_figure

        points = [_point(row, row["series"], row["train_size"]) for row in rows]
        chart = drawings.draw(
            lambda: sizes_figure([point for point in points if point.series in shown], majority),
            "Accuracy by training size",
            f"{len(shown)} lines over {len({cell['train_size'] for cell in tuned})} training "
            "sizes. The table below has all values.",
        )
    return {
        "chart": chart,
        "note": _note(shown, names, "that reach the highest accuracy", "lines"),
        "table": tables.sizes(rows),
    }


def spent(cells: Sequence[Row], drawings: Any) -> Section | None:
    """Accuracy against cost, or against tokens where no price is known."""
    priced = [cell for cell in cells if cell.get("cost_per_1000") is not None]
    if priced:
        currency = next((cell["currency"] for cell in priced if cell.get("currency")), None)
        title = f"cost of 1,000 answers{f', {currency}' if currency else ''}"
        rows: list[Row] = [{**cell, "spent": cell["cost_per_1000"]} for cell in priced]
    else:
        title = "tokens an answer"
        rows = [
            {**cell, "spent": (cell["prompt_tokens"] + cell["completion_tokens"]) / cell["n"]}
            for cell in cells
            if cell.get("prompt_tokens") is not None and cell.get("completion_tokens") is not None
        ]
    if not rows:
        return None
    models = list(dict.fromkeys(row["model"] for row in rows))
    series = models[:MOST_SERIES]
    shown = _first(
        [row for row in rows if row["model"] in series], MOST_POINTS, lambda row: -row["accuracy"]
    )
    chart = None
    if drawings is not None:
        from tunebench.reports.page.line_charts import spent_figure, unbeaten

        points = [_point(row, row["model"], row["spent"]) for row in shown]
        best = ", ".join(point.label for point in unbeaten(points)[-3:])
        chart = drawings.draw(
            lambda: spent_figure(points, title),
            f"Accuracy against {title}",
            f"{len(points)} cells. Of those that none beats for less, the best are {best}. The "
            "table below has all values.",
        )
    return {
        "chart": chart,
        "priced": bool(priced),
        "note": _note(shown, rows, f"of the first {len(series)} models", "cells"),
        "table": tables.costs(rows, title),
    }


def jobs(entries: Sequence[Row], drawings: Any) -> list[Section]:
    """How each job learned."""
    views = []
    for number, job in enumerate(entries):
        steps = [step for step in job.get("curve") or () if step.get("step") is not None]
        chart = None
        if drawings is not None and steps and number < MOST_JOBS:
            from tunebench.reports.page.line_charts import curve_figure

            chart = drawings.draw(
                lambda steps=steps: curve_figure(steps),
                f"Losses of {job['name']} by step",
                f"{len(steps)} steps. The table below has some of them.",
            )
        views.append(
            {
                "name": job["name"],
                "facts": _job_facts(job),
                "served": job.get("served"),
                "chart": chart,
                "table": tables.curve(job["name"], _some(steps)) if steps else None,
            }
        )
    return views


def short(row: Row) -> str:
    """A cell's name without its model's."""
    name, model = str(row["cell"]), row.get("model")
    return name.removeprefix(f"{model}-").removeprefix(f"{model}, ")


def _other(row: Row) -> str:
    own = row.get("over_model") == row.get("model")
    return str(row["over"]).removeprefix(f"{row.get('model')}-" if own else "")


def _kind(row: Row) -> int:
    if "cell" not in row:
        return 2
    return 0 if row.get("train_size") else 1


def _grouped(rows: Sequence[Row]) -> list[Row]:
    models = list(dict.fromkeys(row["model"] for row in rows))
    return sorted(rows, key=lambda row: ("cell" not in row, models.index(row["model"])))


def _point(row: Row, series: str, x: float) -> Any:
    from tunebench.reports.page.line_charts import Point

    label = str(row.get("cell") or series)
    tuned = bool(row.get("train_size"))
    return Point(series, label, x, row["accuracy"], row["ci_low"], row["ci_high"], tuned)


def _first(rows: Sequence[Any], most: int, key: Any) -> list[Any]:
    """The first by a key, in the order they had."""
    chosen = sorted(range(len(rows)), key=lambda i: (key(rows[i]), i))[:most]
    return [rows[i] for i in sorted(chosen)]


def _note(shown: Sequence[Any], rows: Sequence[Any], which: str, what: str) -> str | None:
    if len(shown) == len(rows):
        return None
    return f"The chart shows the {len(shown):,} {which} of {len(rows):,} {what}; the table has all."


def _job_facts(job: Row) -> list[tuple[str, str]]:
    minutes = None if job.get("seconds") is None else job["seconds"] / 60
    facts = [
        ("job", tables.written(job.get("id"))),
        ("base", tables.written(job.get("base"))),
        ("model", tables.written(job.get("model"))),
        ("trained tokens", tables.written(job.get("trained_tokens"), ",")),
        ("minutes", tables.written(minutes, ".1f")),
    ]
    chosen = (job.get("hyperparameters") or {}).items()
    return facts + [(str(name), tables.written(value)) for name, value in chosen]


def _some(steps: Sequence[Row]) -> list[Row]:
    """The steps at which the model was validated, or else some at equal distances."""
    marks = ("validation_loss", "classification/accuracy")
    ends = [step for step in steps if any(step.get(mark) is not None for mark in marks)]
    found = list(ends or steps)
    every = -(-len(found) // _MOST_STEPS)
    return found[::-1][::every][::-1]  # the last one is always among them
