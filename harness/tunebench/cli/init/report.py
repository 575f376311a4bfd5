"""The report of ``tunebench init``: the data, the cells, estimates and the next steps."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from tunebench.errors import DatasetError
from tunebench.local_models import MODELS, where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tunebench.cli.init.experiment_files import Choices
    from tunebench.cli.init.provider import ProviderChoice
    from tunebench.datasets import TableSummary
    from tunebench.experiment import Experiment

_MOST_ROWS = 20_000  # some seconds of work: nobody waits longer for a hint
_MOST_CHARACTERS = 20_000_000
_SHOWN = 3
_FEW = 30  # a 95 % interval is then wider than ±0.17


def report_of(
    choices: Choices,
    summaries: Sequence[TableSummary],
    experiment: Experiment,
    rows: list[dict[str, Any]],
    written: list[Path],
) -> dict[str, Any]:
    """The report that ``--json`` prints."""
    from tunebench.cli.init.lengths import long_texts

    folder = choices.folder.as_posix()
    summary, *given = summaries
    counts = sum((Counter(one.counts) for one in summaries), Counter[str]())
    of_files = [note for one in summaries for note in one.notes]
    return {
        "name": choices.name,
        "rows": summary.rows,
        "test_rows": given[0].rows if given else None,
        "labels": dict(sorted(counts.items())),
        "groups": summary.groups,
        "repeated": sum(one.repeated for one in summaries),
        "cells": [str(cell) for cell in experiment.cells],
        "estimates": rows,
        "minutes": _minutes(choices.provider, rows),
        "jobs_timed": choices.provider.local,
        "notes": [
            *dict.fromkeys(of_files),
            *_notes(choices, summaries),
            *long_texts(choices, summaries, experiment),
            *_alike(experiment),
        ],
        "left_out": [
            *([choices.without_logprobs] if choices.without_logprobs else []),
            *choices.left_out,
        ],
        "written": [path.as_posix() for path in written],
        "next": [
            f"pytest {folder} --record=missing",
            f"tunebench baseline {folder}",
            f"pytest {folder}",
        ],
    }


def _minutes(provider: ProviderChoice, rows: list[dict[str, Any]]) -> float | None:
    """How long the recording takes, without jobs at other providers; None if it is not known."""
    if provider.local:
        return _in_minutes(sum(row["seconds"] for row in rows))
    if provider.seconds is None:
        return None
    at_once = 20 if "lists" in provider.table["supports"] else 1
    requests = sum(math.ceil(row["prompts"] / at_once) for row in rows)
    return _in_minutes(requests * provider.seconds)


def _in_minutes(seconds: float) -> float:
    return round(seconds / 60, 1)


def _notes(choices: Choices, summaries: Sequence[TableSummary]) -> Iterator[str]:
    for label in choices.labels:
        if label not in summaries[0].labels:
            yield f"The label {label!r} is in the test rows only, so nothing can learn it."
    if choices.test_size < _FEW:
        texts = "text" if choices.test_size == 1 else "texts"
        yield f"Only {choices.test_size} test {texts}: the accuracy will be uncertain. Add rows."
    if choices.shuffled:
        by = "" if choices.group_column else " by label"
        yield f'The file is sorted{by}, so the experiment orders its rows by order = "hash".'
    yield from choices.provider.notes
    if choices.provider.local:
        from tunebench.server import missing_extra

        if missing := missing_extra():
            yield f"Run `pip install {missing}` before you record: the local provider needs it."
        if (model := MODELS.get(choices.model)) is not None and where(model) is None:
            yield f"Recording downloads the weights of {model.name} first: {model.megabytes} MB."
    if not choices.provider.trains:
        name = choices.provider.name
        yield f"No training sizes: {name} is not known to fine-tune as OpenAI does."


def _alike(experiment: Experiment) -> Iterator[str]:
    """Test texts that are also among the training rows in nearly the same words."""
    from tunebench.datasets import near_duplicates
    from tunebench.evaluation import dataset_of, test_rows

    data, test = dataset_of(experiment), test_rows(experiment)
    if len(data.train) > _MOST_ROWS or data.train["text"].str.len().sum() > _MOST_CHARACTERS:
        yield "The file is too large to look for near-duplicates in seconds: skipped."
        return
    try:
        pairs = near_duplicates(dataclasses.replace(data, test=test))
    except DatasetError as error:
        yield f"Near-duplicates of test texts in the training rows: not looked for. {error}"
        return
    if pairs:
        texts = len({pair.test_item for pair in pairs})
        yield (
            f"{texts} of the {len(test)} test texts are also among the training rows in nearly "
            "the same words, which favours fine-tuning:"
        )
        yield from (f"  {pair}" for pair in pairs[:_SHOWN])


def lines_of(report: dict[str, Any]) -> list[str]:
    """The report in lines."""
    counts = report["labels"]
    kept = sum(counts.values())
    rows = f"{report['rows']:,} rows"
    if report["test_rows"] is not None:
        rows += f" and {report['test_rows']:,} test rows"
    lines = [f"{rows}, {report['repeated']:,} of them repeat an earlier text."]
    lines += [f"  {label}: {n:,} ({n / kept:.1%})" for label, n in counts.items()]
    if report["groups"] is not None:
        lines.append(f"{report['groups']:,} groups, none of them on both sides of the split.")
    lines += [f"{len(report['cells'])} cells. Recording them takes about:"]
    for row in report["estimates"]:
        cost = "" if row["cost"] is None else f", {row['cost']:.4g} {row['currency']}"
        lines.append(f"  {row['what']}: {row['tokens']:,} tokens{row['note']}{cost}")
    if all(row["cost"] is None for row in report["estimates"]):
        lines.append("  The cost is unknown: give --prices, or add prices to the file.")
    if (minutes := report["minutes"]) is not None:
        trained = any("trained" in row["note"] for row in report["estimates"])
        beside = ", without its jobs" if trained and not report["jobs_timed"] else ""
        lines.append(f"  In all about {minutes:g} minutes{beside}.")
    lines += report["notes"] + report["left_out"]
    lines += ["", *(f"wrote {path}" for path in report["written"])]
    trains = (
        ", and trains it" if any("trained" in row["note"] for row in report["estimates"]) else ""
    )
    record, baseline, replay = report["next"]
    lines += [
        "",
        "Next:",
        f"  {record}   # records the model{trains}; can be stopped and resumed",
        f"  {baseline}   # later recordings are compared with this",
        f"  {replay}   # replays offline; commit benchmarks/, cassettes/ and the data",
    ]
    return lines
