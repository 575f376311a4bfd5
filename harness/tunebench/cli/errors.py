"""``tunebench errors``: the wrong answers of a cell, to read.

``--json`` prints one object: ``cells``, a list with ``experiment``, ``cell``, ``n`` (texts),
``wrong`` (how many, of the label if one was named) and ``errors``. Each of these has ``item``,
``place`` in the user's file, ``text``, ``expected``, ``predicted``, ``answer`` (as it was given),
and ``probability`` of the prediction; null where that is not known, or no label was stated.
``notes`` are sentences: why texts or answers are missing.
"""

from __future__ import annotations

import textwrap
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import (
    ExistingPath,
    json_option,
    number,
    output_width,
    print_json,
    read_experiments,
)
from tunebench.errors import TunebenchError, UsageError, did_you_mean, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tunebench.experiment import Experiment
    from tunebench.reports import About, CellRow
    from tunebench.reports import Results as Document

_RESULTS = Path("results")
_LONGEST = 600  # characters of a text on the terminal


@click.command()
@click.argument("results", required=False, type=ExistingPath(), is_eager=True)
@click.option("--cell", "name", metavar="NAME", required=True, help="The cell, by its id")
@click.option(
    "--experiment", "of", metavar="NAME", help="Only this experiment, by its name (default: all)"
)
@click.option("--label", metavar="LABEL", help="Only texts whose true label is this one")
@click.option(
    "--limit",
    metavar="N",
    type=number(1),
    default=20,
    help="Show N of them at most, of each experiment",
)
@json_option
def errors(
    results: Path | None,
    name: str,
    of: str | None,
    label: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the wrong answers of a cell: text, labels, answer and place in your file.

    RESULTS is a folder that `pytest --results` wrote, or its results.json. Without it, results in
    the folder results count, or else a replay of benchmarks. Texts come from your data and answers
    from the cassettes, where these are on this machine.
    """
    document, folder = _document(results, name, of)
    if of is not None:
        document = _only(document, of)
    _refuse_unknown(document, name, label)
    notes: list[str] = []
    abouts = {about.name: about for about in document.experiments}
    found = []
    for row in document.cells:
        about = abouts[row.experiment]
        if row.cell != name or (label is not None and label not in about.labels):
            continue
        wrong = list(_wrong(row, about, label))
        known = _Known.of(row, about, folder)
        notes += [note for note in known.notes if note not in notes]
        found.append(
            {
                "experiment": row.experiment,
                "cell": row.cell,
                "n": row.n,
                "wrong": len(wrong),
                "errors": [known.add_to(error) for error in wrong[:limit]],
            }
        )
    if as_json:
        print_json({"cells": found, "notes": notes})
        return
    lines = [line for cell in found for line in _lines(cell, label)]
    # First: whether the rest is out of date matters before it is read.
    print("\n".join([*map(printable, notes), *([""] if notes else []), *lines]))


def _document(results: Path | None, name: str, of: str | None) -> tuple[Document, Path]:
    """Results with a cell, and the folder that files of experiments are looked for from."""
    from tunebench.reports import read_results, typed_results

    if results is None and (_RESULTS / "results.json").is_file():
        results = _RESULTS
    if results is not None:
        folder = (results if results.is_dir() else results.parent).absolute()
        return typed_results(read_results(results), results), folder
    from tunebench.analysis import replayed

    read = read_experiments(())
    if of is not None:
        # All of that name, also without the cell: results show their files only where they differ.
        chosen = [experiment for experiment in read if experiment.name == _bare(of)]
        if not chosen:
            raise _no_experiment(of, [experiment.name for experiment in read])
        read = chosen
    known = {experiment: list(map(str, experiment.cells)) for experiment in read}
    having = [experiment for experiment, cells in known.items() if name in cells]
    if not having:
        raise _no_cell(name, [cell for cells in known.values() for cell in cells])
    return replayed(having if of is None else read, Path.cwd()), Path.cwd()


def _only(document: Document, of: str) -> Document:
    """What results have of an experiment, or of all that share a name."""
    known = [about.name for about in document.experiments]
    named = {name for name in known if of in (name, _bare(name))}
    if not named:
        raise _no_experiment(of, known)
    parts = {
        "experiments": [about for about in document.experiments if about.name in named],
        "cells": [row for row in document.cells if row.experiment in named],
        "errors": [error for error in document.errors if error.experiment in named],
    }
    return document.model_copy(update=parts)


def _bare(name: str) -> str:
    """The name of an experiment without its file, which follows where two have one name."""
    return name.partition(" (")[0]


def _no_experiment(name: str, known: Iterable[str]) -> UsageError:
    return UsageError(
        f"there is no experiment {name!r}", hint=did_you_mean(name, dict.fromkeys(known))
    )


def _no_cell(name: str, known: Sequence[str]) -> UsageError:
    return UsageError(f"there is no cell {name!r}", hint=did_you_mean(name, known))


def _refuse_unknown(document: Document, name: str, label: str | None) -> None:
    cells = [row for row in document.cells if row.cell == name]
    if not cells:
        why = next((error.error for error in document.errors if error.cell == name), None)
        if why is not None:
            raise UsageError(f"the cell {name!r} has no result: {why.rstrip('.')}")
        raise _no_cell(name, [row.cell for row in document.cells])
    named = {row.experiment for row in cells}
    labels = [one for about in document.experiments if about.name in named for one in about.labels]
    if label is not None and label not in labels:
        raise UsageError(f"there is no label {label!r}", hint=did_you_mean(label, labels))


def _wrong(row: CellRow, about: About, label: str | None) -> Iterator[dict[str, Any]]:
    for i, (item, said) in enumerate(zip(about.items, row.predictions, strict=True)):
        expected = about.labels[about.label_ids[i]]
        if said == about.label_ids[i] or label not in (None, expected):
            continue
        known = row.probabilities[i] if row.probabilities else None
        yield {
            "item": item,
            "place": about.places[i] if about.places else None,
            "expected": expected,
            "predicted": None if said is None else about.labels[said],
            "probability": None if known is None or said is None else known[said],
        }


@dataclass
class _Known:
    """What results do not hold, by item, as far as it is on this machine."""

    texts: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, row: CellRow, about: About, folder: Path) -> _Known:
        """What is known of a cell's texts and answers; what is missing is a note."""
        known = cls()
        try:
            experiment = _experiment(about, folder)
        except TunebenchError as error:
            known.notes.append(f"Texts and answers are not shown: {error}")
            return known
        try:
            known.texts, changed = _texts(experiment, about)
            known.notes += [changed] if changed else []
        except TunebenchError as error:
            known.notes.append(f"Texts are not shown: {error}")
        try:
            known.answers = _answers(experiment, row)
        except TunebenchError as error:
            known.notes.append(f"Answers are not shown: {error}")
        return known

    def add_to(self, error: dict[str, Any]) -> dict[str, Any]:
        item = error["item"]
        return {**error, "text": self.texts.get(item), "answer": self.answers.get(item)}


def _experiment(about: About, folder: Path) -> Experiment:
    """The experiment of results, by its file from here or from a folder above the results."""
    from tunebench.experiment import Experiment
    from tunebench.reports import is_of

    file = about.file or f"{about.name}/experiment.toml"
    for above in (Path.cwd(), folder, *folder.parents):
        path = above / file
        if path.is_file():
            experiment = Experiment.read(path)
            if is_of(about.model_dump(), experiment):
                return experiment
    raise UsageError(f"{file} is not found from here")


def _texts(experiment: Experiment, about: About) -> tuple[dict[str, str], str | None]:
    """The texts of results by item, and a sentence where the data has changed since."""
    from tunebench.evaluation import dataset_of, is_data_here

    if not is_data_here(experiment):
        raise UsageError(f"the data set {experiment.task.dataset!r} is not on this machine")
    rows = dataset_of(experiment).test
    labels = experiment.task.labels
    columns = (rows[name].tolist() for name in ("item", "text", "label"))
    now = {item: (text, labels[label]) for item, text, label in zip(*columns, strict=True)}
    then = dict(zip(about.items, (about.labels[i] for i in about.label_ids), strict=True))
    changed = [item for item in then if item not in now or now[item][1] != then[item]]
    note = (
        f"The data has changed since: {len(changed)} of {len(then)} texts are not in it any more, "
        f"or have another label, such as {changed[0]}; write the results again with "
        "`pytest --results DIR`."
    ) if changed else None  # fmt: skip
    return {item: now[item][0] for item in then if item in now}, note


def _answers(experiment: Experiment, row: CellRow) -> dict[str, str]:
    """The answers as they were given, by item: those that the results were made of."""
    from tunebench.evaluation import Runner, prompt_sha256_of

    cell = next((cell for cell in experiment.cells if str(cell) == row.cell), None)
    if cell is None:
        raise UsageError(f"{experiment.path} does not have the cell {row.cell} any more")
    with closing(Runner()) as runner:
        result = runner.evaluate(cell, "record it with `tunebench record`")
    same = (result.recorded_at, result.predictions) == (row.recorded_at, row.predictions)
    # The time of a recording is in whole seconds.
    if row.prompt_sha256 is not None:
        same = same and prompt_sha256_of(cell) == row.prompt_sha256
    if not same:
        raise UsageError(
            f"{row.cell} was recorded again after these results were made",
            hint="write the results again with `pytest --results DIR`",
        )
    return dict(zip(result.judgements["item"].tolist(), result.answers, strict=False))


def _lines(cell: Mapping[str, Any], label: str | None) -> list[str]:
    of_label = f" of the label {label}" if label is not None else ""
    shown = cell["errors"]
    rest = f", the first {len(shown)} of them" if len(shown) < cell["wrong"] else ""
    lines = [
        f"{cell['experiment']}, {cell['cell']}: {cell['wrong']} wrong{of_label}, "
        f"of {cell['n']} texts{rest}"
    ]
    for error in shown:
        place = f"{error['place']} ({error['item']})" if error["place"] else error["item"]
        said = "no label" if error["predicted"] is None else error["predicted"]
        if error["probability"] is not None:
            said += f" (probability {error['probability']:.2f})"
        lines += ["", place, f"  expected {error['expected']}, predicted {said}"]
        if error["answer"] is not None:
            lines.append(f"  answered {error['answer']!r}")
        if error["text"] is not None:
            text = textwrap.shorten(error["text"], _LONGEST, placeholder=" …")
            lines += textwrap.wrap(
                text, output_width(), initial_indent="  | ", subsequent_indent="  | "
            )
    return list(map(printable, lines))
