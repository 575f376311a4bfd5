"""What the page says, from results whose every optional part may be missing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError
from tunebench.reports.page import tables
from tunebench.reports.page.items import confusion_views, items_view
from tunebench.reports.page.sections import accuracy, jobs, sizes, spent, uplift

if TYPE_CHECKING:
    from collections.abc import Mapping

    Document = Mapping[str, Any]

VERSION = 2
_PARTS = (
    "experiments",
    "cells",
    "jobs",
    "uplifts",
    "baselines",
    "answers",
    "data_needs",
    "break_evens",
    "errors",
)
_NEEDED = {
    "cells": ("experiment", "cell", "model", "n", "accuracy", "ci_low", "ci_high"),
    "uplifts": ("experiment", "cell", "over", "difference", "ci_low", "ci_high"),
    "baselines": ("experiment", "model", "train_size", "n", "accuracy", "ci_low", "ci_high"),
    "jobs": ("experiment", "name"),
    "answers": ("experiment", "sentence"),
}


def checked(document: Document) -> dict[str, Any]:
    """The parts of results, each a list, with what the page cannot do without.

    Raises:
        ResultsError: these are not results of version 2, or an entry lacks a value.
    """
    fix = "write them again with `pytest --results DIR`."
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ResultsError(f"These are not results of version {VERSION}; {fix}")
    parts = {name: document.get(name) or [] for name in _PARTS}
    for name, entries in parts.items():
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ResultsError(f"{name!r} of the results is no list of objects; {fix}")
        for number, entry in enumerate(entries, 1):
            for needed in _NEEDED.get(name, ()):
                if entry.get(needed) is None:
                    raise ResultsError(f"Entry {number} of {name!r} has no {needed!r}; {fix}")
    return parts


def page_view(document: Document) -> dict[str, Any]:
    """The page's title and its experiments, also those that only cells or errors name."""
    known = {part["name"]: part for part in document["experiments"] if part.get("name")}
    for part in ("cells", "uplifts", "baselines", "jobs", "answers", "errors"):
        for entry in document[part]:
            if name := entry.get("experiment"):
                known.setdefault(name, {"name": name})
    question = "Does fine-tuning beat prompting"
    title = f"{question} on {next(iter(known))}?" if len(known) == 1 else f"{question}?"
    lost = [entry for entry in document["errors"] if not entry.get("experiment")]
    return {"title": title, "experiments": list(known.values()), "errors": _errors(lost)}


def experiment_view(
    document: Document,
    experiment: Mapping[str, Any],
    drawings: Any,
    texts: Mapping[str, str] | None,
    number: int,
) -> dict[str, Any]:
    """One experiment as the template takes it.

    Args:
        document: as `checked` gives it.
        experiment: an entry of ``experiments``; only ``name`` is sure.
        drawings: collects the charts, or None.
        texts: by item, or None.
        number: of the experiment on the page, from 1.
    """
    own = {
        name: [entry for entry in document[name] if entry.get("experiment") == experiment["name"]]
        for name in _PARTS
        if name != "experiments"
    }
    cells, baselines = own["cells"], own["baselines"]
    return {
        "name": experiment["name"],
        "id": f"x{number}",
        "facts": _facts(experiment, own),
        "answers": [
            {
                "sentence": answer["sentence"],
                "evidence": answer.get("evidence") or [],
                "decision": answer.get("decision"),
            }
            for answer in own["answers"]
        ],
        "accuracy": accuracy(cells, baselines, _majority(cells, experiment), drawings),
        "gates": tables.gates(cells),
        "skipped": [_skip(skip) for skip in experiment.get("skipped") or ()],
        "uplift": uplift(own["uplifts"], drawings),
        "sizes": sizes(cells, baselines, _majority(cells, experiment), drawings),
        "data_needs": _sentences(own["data_needs"]),
        "spent": spent(cells, drawings),
        "break_evens": _sentences(own["break_evens"]),
        "jobs": jobs(own["jobs"], drawings),
        "confusion": confusion_views(experiment, cells),
        "readings": tables.readings(cells),
        "scores": tables.other_scores(cells),
        "item_table": items_view(experiment, [*cells, *_as_cells(baselines)], texts),
        "provenance": tables.provenance(cells),
        "errors": _errors(own["errors"]),
    }


def _facts(experiment: Mapping[str, Any], own: Mapping[str, Any]) -> list[tuple[str, str]]:
    cells = own["cells"]
    texts = experiment.get("n") or max((cell["n"] for cell in cells), default=None)
    currencies = Counter(cell["currency"] for cell in cells if cell.get("currency"))
    facts = [
        ("texts", tables.written(texts, ",")),
        ("labels", ", ".join(map(str, experiment.get("labels") or ())) or tables.NOTHING),
        ("majority label", tables.written(_majority(cells, experiment), ".3f")),
        ("models", str(len({cell["model"] for cell in cells}))),
        ("cells", f"{len(cells):,}"),
    ]
    if own["errors"]:
        facts.append(("cells without a result", f"{len(own['errors']):,}"))
    if currencies:
        facts.append(("prices in", ", ".join(sorted(currencies))))
    return facts


def _as_cells(baselines: list[Any]) -> list[dict[str, Any]]:
    """The yardsticks whose answers are known."""
    return [
        {**row, "cell": tables.baseline_name(row)} for row in baselines if row.get("predictions")
    ]


def _majority(cells: list[Any], experiment: Mapping[str, Any]) -> float | None:
    rates: list[float] = [
        rate
        for rate in (experiment.get("majority_rate"), *(c.get("majority_rate") for c in cells))
        if rate is not None
    ]
    return rates[0] if rates else None


def _sentences(entries: list[Any]) -> list[str]:
    return [entry["sentence"] for entry in entries if entry.get("sentence")]


def _errors(entries: list[Any]) -> list[tuple[str, str]]:
    return [
        (tables.written(entry.get("cell")), tables.written(entry.get("error"))) for entry in entries
    ]


def _skip(skip: Mapping[str, Any]) -> str:
    """What was left out and why, in a line."""
    size, shots = skip.get("train_size"), skip.get("shots")
    what = [str(skip.get("model") or "every model")]
    if size:
        what.append(f"{size:,} training rows")
    elif shots is not None:
        what.append(f"{shots} shots")
    if skip.get("decision_rule"):
        what.append(str(skip["decision_rule"]))
    return ", ".join(what) + (f": {skip['reason']}" if skip.get("reason") else "")
