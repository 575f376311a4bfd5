"""The command ``tunebench init``.

It reads the file, writes the experiment, its test cases and a workflow that replays them, and says
what recording will take. Nothing is sent to any provider.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import (
    PATH,
    Command,
    ExistingPath,
    Several,
    json_option,
    number,
    print_json,
    refuse_existing,
)
from tunebench.cli.init.experiment_files import (
    ATTRIBUTES,
    WORKFLOW,
    Choices,
    check_name,
    name_of,
    prices_of,
    workflow_file,
)
from tunebench.cli.init.provider import chosen_model, chosen_provider
from tunebench.errors import ExperimentError, UsageError, did_you_mean
from tunebench.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.datasets import TableSummary
    from tunebench.experiment import Experiment

_TEST_SIZE = 100
_MOST_HELD_OUT = 0.9


@dataclasses.dataclass(frozen=True)
class _Given:
    """The command's arguments; None and () are what is left to us."""

    data: Path
    text: str | None
    label: str | None
    group: str | None
    name: str | None
    provider: str
    model: str | None
    test_size: int | None
    train_sizes: tuple[int, ...]
    shots: tuple[int, ...]
    instruction: str | None
    prices: tuple[str, ...]
    output: Path


@click.command(cls=Command)
@click.argument("data", metavar="FILE", type=ExistingPath(), is_eager=True)
@click.option("--text", metavar="COLUMN", help="The column of the texts")
@click.option("--label", metavar="COLUMN", help="The column of the labels")
@click.option(
    "--group", metavar="COLUMN", help="The column of groups that must not be on both sides"
)
@click.option("--name", help="The name of the experiment (the file's name)")
@click.option(
    "--provider",
    default="local",
    metavar="NAME",
    help=f"{', '.join(PRESETS)}, or the URL of another OpenAI-compatible API",
)
@click.option(
    "--model", metavar="ID", help="The model's name at the provider (local: smollm2-135m)"
)
@click.option("--test-size", type=number(1), metavar="N", help="Texts to test on (at most 100)")
@click.option(
    "--train-sizes",
    cls=Several,
    type=number(0),
    metavar="N...",
    help="Rows to fine-tune on (100 300, as far as there are; 0: no fine-tuning)",
)
@click.option(
    "--shots",
    cls=Several,
    type=number(0),
    metavar="N...",
    help="Worked examples in prompts (0 1 4, as far as there are)",
)
@click.option("--instruction", metavar="TEXT", help="The first line of prompts")
@click.option(
    "--prices",
    cls=Several,
    metavar="KEY=VALUE...",
    help="The model's prices: training, input and output (a million tokens), or per_hour; currency",
)
@click.option(
    "--output", type=PATH, default=".", metavar="DIR", help="The folder that holds benchmarks/"
)
@click.option("--force", is_flag=True, help="Overwrite files that exist")
@json_option
def init(force: bool, as_json: bool, **arguments: Any) -> None:
    """Make a benchmark from a file of labelled texts (.csv, .tsv, .jsonl, .parquet).

    Writes benchmarks/NAME/experiment.toml, its test cases and a workflow for CI, and says what
    recording it will take. Of a file with two columns, the labels are those with fewer different
    values; of another one, name both columns.
    """
    from tunebench.cli.init.report import lines_of, report_of
    from tunebench.datasets import inspect_table
    from tunebench.evaluation import estimates

    given = _Given(**arguments)
    text, label, notes = _columns(given)
    summary = inspect_table(given.data, text, label, given.group)
    choices = _sized(given, _choices(given, text, label, summary))
    experiment = _checked(choices)
    rows = estimates(experiment)
    contents = {choices.toml: choices.experiment_file(), choices.test: choices.test_file()}
    if not (choices.root / WORKFLOW).exists():
        contents[choices.root / WORKFLOW] = workflow_file()
    attributes = choices.root / ATTRIBUTES
    lines = choices.git_attributes(experiment.cassettes.parent)
    if (content := _with_lines(attributes, lines)) is not None:
        contents[attributes] = content
    _write(contents, force=force)
    report = report_of(choices, summary, experiment, rows, list(contents))
    report["notes"] = [*notes, *report["notes"]]
    if as_json:
        print_json(report)
    else:
        print("\n".join(lines_of(report)))


def _columns(given: _Given) -> tuple[str, str, list[str]]:
    """The columns of texts and labels, and a note where they were not named."""
    from tunebench.datasets import column_names, text_and_label

    columns = column_names(given.data)
    named = {"--text": given.text, "--label": given.label, "--group": given.group}
    for option, column in named.items():
        if column is not None and column not in columns:
            raise UsageError(
                f"there is no column {column!r}, which {option} names",
                where=given.data,
                hint=did_you_mean(column, columns),
            )
    for (option, column), (other, same) in combinations(named.items(), 2):
        if column is not None and column == same:
            problem = f"{option} and {other} are both {column!r}"
            raise UsageError(problem, where=given.data, hint="name two columns")
    if given.text is not None and given.label is not None:
        return given.text, given.label, []
    columns = [column for column in columns if column != given.group]
    if len(columns) != 2:
        missing = " and ".join(option for option in ("--text", "--label") if named[option] is None)
        problem = f"the columns are {', '.join(map(repr, columns))}"
        raise UsageError(problem, where=given.data, hint=f"name those to read with {missing}")
    text, label = text_and_label(given.data, columns)
    if given.text == label or given.label == text:
        text, label = label, text
    note = f"Read the texts from the column {text!r} and the labels from {label!r}."
    return text, label, [note]


def _choices(given: _Given, text: str, label: str, summary: TableSummary) -> Choices:
    from tunebench.formatting import check_labels

    labels = summary.labels
    name = name_of(given.data.stem) if given.name is None else given.name
    check_name(name)
    provider = chosen_provider(given.provider)
    sizes = [size for size in given.train_sizes if size]
    provider.check(sizes)
    classes = f"{', '.join(labels[:-1])} or {labels[-1]}"
    instruction = given.instruction or f"Classify the following text as {classes}"
    try:
        check_labels(labels, instruction)
    except ExperimentError as error:
        raise UsageError(error.problem, where=given.data, hint=error.hint) from None
    return Choices(
        root=given.output,
        data=given.data,
        shuffled=summary.runs,
        name=name,
        text_column=text,
        label_column=label,
        group_column=given.group,
        labels=labels,
        instruction=instruction,
        test_share=_test_share(len(summary.texts), given.test_size),
        test_size=1,
        provider=provider,
        model=chosen_model(provider, given.model),
        prices=prices_of(given.prices),
        shots=list(given.shots) or [0],
        train_sizes=sizes,
    )


def _test_share(rows: int, test_size: int | None) -> float:
    """The share of the texts to hold out, in hundredths."""
    wanted = test_size or _TEST_SIZE
    # Hashes decide which texts are held out: by chance there may be fewer.
    share = (wanted + 3 * math.sqrt(wanted)) / rows
    return round(min(max(share, 0.2), 0.4 if test_size is None else _MOST_HELD_OUT), 2)


def _sized(given: _Given, choices: Choices) -> Choices:
    """The choices with what was left to us, by how many rows there are to train and test on."""
    from tunebench.evaluation import dataset_of

    data = dataset_of(_checked(choices))
    # Rows may also wait for others of their class before a split gives them.
    while (
        given.test_size and len(data.test) < given.test_size and choices.test_share < _MOST_HELD_OUT
    ):
        share = round(choices.test_share + 0.05, 2)
        choices = dataclasses.replace(choices, test_share=share)
        data = dataset_of(_checked(choices))
    train, test = len(data.train), len(data.test)
    shots, sizes = choices.shots, choices.train_sizes
    if not given.shots:
        shots = [n for n in (0, 1, 4) if n * 2 * len(choices.labels) <= train]
    if not given.train_sizes and choices.provider.trains:
        sizes = [n for n in (100, 300) if n <= train]
    test_size = given.test_size or max(1, min(_TEST_SIZE, test))
    return dataclasses.replace(choices, test_size=test_size, shots=shots, train_sizes=sizes)


def _checked(choices: Choices) -> Experiment:
    """The experiment as it will be read, with every check of its file, before it is written."""
    from tunebench.experiment import Experiment

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiment.toml"
        path.write_text(choices.experiment_file(), encoding="utf-8")
        try:
            read = Experiment.read(path)
        except ExperimentError as error:
            problem, where = (
                (text or "").replace(str(path), str(choices.toml))
                for text in (error.problem, error.where)
            )
            raise UsageError(problem, where=where, hint=error.hint) from None
    # The folder from which the data has a relative path does not exist yet.
    task = read.task.model_copy(update={"dataset": str(choices.data.absolute())})
    return dataclasses.replace(read, path=choices.toml, task=task)


def _with_lines(path: Path, lines: Sequence[str]) -> str | None:
    """A file's text with the lines that it lacks at its end; None if it has them all."""
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise UsageError(
            f"the file cannot be read ({error.strerror})", where=path, hint="nothing was written"
        ) from None
    end = "\r\n" if "\r\n" in text else "\n"
    missing = "".join(line + end for line in lines if line not in text.splitlines())
    if text and not text.endswith("\n"):
        text += end
    return text + missing if missing else None


def _write(contents: dict[Path, str], *, force: bool) -> None:
    from tunebench.files import whole_files

    taken = [path for path in contents if path.exists()]
    refuse_existing((path for path in taken if path.name != ATTRIBUTES.name), force, "--name")
    for path in contents:
        twins = [p for p in path.parent.parent.glob(f"*/{path.name}") if p != path]
        if path.name.startswith("test_") and twins:
            raise UsageError(
                "a test file of this name exists, and pytest wants another for each experiment",
                where=twins[0],
                hint="give another --name",
            )
    try:
        for path in contents:
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the folder cannot be made ({error.strerror})",
            where=error.filename,
            hint="nothing was written",
        ) from None
    with ExitStack() as stack:
        new = [path for path in contents if path not in taken]
        for paths, overwrite in [(new, False), *(([path], True) for path in taken)]:
            if paths:
                opened = stack.enter_context(whole_files(paths, overwrite=overwrite))
                for path, file in zip(paths, opened, strict=True):
                    file.write(contents[path].encode(errors="surrogateescape"))
