"""The command ``tunebench init``.

It reads the file, writes the experiment, its test cases and a workflow that replays them, and says
what recording will take. A provider that is a URL is asked what it can do, with small requests of
the tool's own; nothing of the file is sent.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from contextlib import contextmanager
from itertools import product
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
)
from tunebench.cli.init.columns import chosen_columns, chosen_instruction
from tunebench.cli.init.experiment_files import (
    ATTRIBUTES,
    IGNORE,
    IGNORED,
    WORKFLOW,
    Choices,
    check_name,
    name_of,
    prices_of,
    workflow_file,
)
from tunebench.cli.init.found import found_provider
from tunebench.cli.init.installation import requirement
from tunebench.cli.init.matrix import fitting
from tunebench.cli.init.provider import chosen_model, chosen_provider
from tunebench.cli.init.writing import with_lines, write
from tunebench.errors import DatasetError, ExperimentError, UsageError
from tunebench.files import files_of
from tunebench.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunebench.datasets import TableSummary
    from tunebench.experiment import Experiment

_TEST_SIZE = 100
_MOST_HELD_OUT = 0.9
# Places in the experiment file whose values come from an option.
_OPTIONS = {
    "[matrix] shots": "--shots",
    "[matrix] train_sizes": "--train-sizes",
    "[[model]] 1: prices": "--prices",
    "[provider.endpoint] base_url": "--provider",
}


@dataclasses.dataclass(frozen=True)
class _Given:
    """The command's arguments; None and () are what is left to us."""

    data: Path
    test_file: Path | None
    text: str | None
    label: str | None
    group: str | None
    name: str | None
    provider: str
    api_key_env: str | None
    model: str | None
    test_size: int | None
    train_sizes: tuple[int, ...]
    shots: tuple[int, ...]
    instruction: str | None
    prices: tuple[str, ...]
    output: Path


def _one_file(_: click.Context, __: click.Parameter, paths: tuple[Path, ...]) -> Path:
    if len(paths) > 1:
        problem = f"{len(paths)} files are given, and several are read as one by their pattern"
        pattern = paths[0].with_name(f"*{paths[0].suffix}")
        raise UsageError(problem, hint=f"write it in quotes, as in '{pattern}'")
    return paths[0]


@click.command(cls=Command)
@click.argument(
    "data",
    metavar="FILE",
    type=ExistingPath(pattern=True),
    nargs=-1,
    required=True,
    callback=_one_file,
    is_eager=True,
)
@click.option(
    "--test-file",
    metavar="FILE",
    type=ExistingPath(pattern=True),
    help="The rows to test on, as a file of validation rows; else a share of FILE is held out",
)
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
    help=f"{', '.join(PRESETS)}, or the URL of another OpenAI-compatible API, which is asked what "
    "it can do",
)
@click.option("--api-key-env", metavar="VAR", help="The environment variable that holds the key")
@click.option(
    "--model",
    metavar="ID",
    help="The model's name at the provider (local: smollm2-135m; URL: its only one)",
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
@click.option(
    "--install-from",
    metavar="URL|PATH",
    help="What the workflow installs as tunebench, if this version is not on an index",
)
@click.option("--force", is_flag=True, help="Overwrite files that exist")
@json_option
def init(install_from: str | None, force: bool, as_json: bool, **arguments: Any) -> None:
    """Make a benchmark from a file of labelled texts (.csv, .tsv, .jsonl, .parquet, .xlsx).

    A pattern in quotes, such as 'data/*.csv', reads several files as one.

    Writes benchmarks/NAME/experiment.toml, its test cases and a workflow for CI, and says what
    recording it will take. Of a file with two columns, the labels are those with fewer different
    values; of another one, name both columns. OpenAI's training files are read, too: messages of
    chats, or prompts and completions.
    """
    from tunebench.cli.init.report import lines_of, report_of
    from tunebench.datasets import inspect_table
    from tunebench.evaluation import estimates

    given = _Given(**arguments)
    text, label, notes = chosen_columns(given.data, given.text, given.label, given.group)
    files = [given.data]
    if given.test_file is not None:
        both = product(files_of(given.test_file), files_of(given.data))
        if any(one.samefile(other) for one, other in both):
            problem = "--test-file is a file to train on, too"
            raise UsageError(problem, where=given.data, hint="give another, or leave it out")
        chosen_columns(given.test_file, text, label, given.group)
        files.append(given.test_file)
    instruction, more = chosen_instruction(files, given.instruction)
    given, notes = dataclasses.replace(given, instruction=instruction), [*notes, *more]
    summaries = [inspect_table(file, text, label, given.group) for file in files]
    choices = _sized(given, _choices(given, text, label, summaries))
    experiment = _checked(choices)
    with _in_options(experiment.path):
        rows = estimates(experiment)
    contents = {choices.toml: choices.experiment_file(), choices.test: choices.test_file()}
    workflow, installed = choices.root / WORKFLOW, requirement(install_from, choices.root)
    if not workflow.exists():
        contents[workflow] = workflow_file(installed)
    git = {ATTRIBUTES: choices.git_attributes(experiment.cassettes.parent), IGNORE: IGNORED}
    for name, lines in git.items():
        if (content := with_lines(choices.root / name, lines)) is not None:
            contents[choices.root / name] = content
    write(contents, force=force)
    report = report_of(choices, summaries, experiment, rows, list(contents))
    report["notes"] = [*notes, *report["notes"]]
    if workflow in contents and installed is None:
        report["notes"].append(
            f"Fill in where {workflow} installs tunebench from: this version was not installed "
            "from an index. --install-from writes it there."
        )
    if workflow not in contents and install_from is not None:
        report["notes"].append(f"{workflow} is left as it was, so --install-from is not in it.")
    if as_json:
        print_json(report)
    else:
        print("\n".join(lines_of(report)))


def _choices(given: _Given, text: str, label: str, summaries: Sequence[TableSummary]) -> Choices:
    from tunebench.formatting import check_labels

    labels = tuple(sorted({name for summary in summaries for name in summary.labels}))
    stem = given.data.stem if given.data.suffix.lower() != ".gz" else Path(given.data.stem).stem
    # Of the pattern "*.csv" nothing is left.
    own = name_of(stem) or name_of(given.data.absolute().parent.name)
    name = own if given.name is None else given.name
    check_name(name)
    provider = chosen_provider(given.provider, given.api_key_env)
    sizes = [size for size in given.train_sizes if size]
    if not provider.asked:
        provider.check(sizes)
    classes = f"{', '.join(labels[:-1])} or {labels[-1]}"
    instruction = given.instruction or f"Classify the following text as {classes}"
    try:
        check_labels(labels, instruction)
    except ExperimentError as error:
        raise UsageError(error.problem, where=given.data, hint=error.hint) from None
    choices = Choices(
        root=given.output,
        data=given.data,
        test_data=given.test_file,
        shuffled=any(summary.runs for summary in summaries),
        name=name,
        text_column=text,
        label_column=label,
        group_column=given.group,
        labels=labels,
        instruction=instruction,
        test_share=_test_share(len(summaries[0].texts), given.test_size),
        test_size=1,
        provider=provider,
        model=given.model or "" if provider.asked else chosen_model(provider, given.model),
        prices=prices_of(given.prices),
        shots=list(given.shots) or [0],
        train_sizes=[] if provider.asked else sizes,
    )
    if not provider.asked:
        return choices
    _checked(choices)  # whatever is wrong here is refused before a request is sent
    found, model = found_provider(provider, given.api_key_env, given.model, choices.toml)
    found.check(sizes)
    return dataclasses.replace(choices, provider=found, model=model, train_sizes=sizes)


def _test_share(rows: int, test_size: int | None) -> float:
    """The share of the texts to hold out, in hundredths."""
    wanted = test_size or _TEST_SIZE
    # Hashes decide which texts are held out: by chance there may be fewer.
    share = (wanted + 3 * math.sqrt(wanted)) / rows
    return round(min(max(share, 0.2), 0.4 if test_size is None else _MOST_HELD_OUT), 2)


def _sized(given: _Given, choices: Choices) -> Choices:
    """The choices with what was left to us, by how many rows there are to train and test on."""
    from tunebench.evaluation import dataset_of

    choices = dataclasses.replace(choices, moved=choices.test_data is not None)
    data = dataset_of(_checked(choices))
    if data.report is not None and not data.report.moved:
        choices = dataclasses.replace(choices, moved=False)
    # Rows may also wait for others of their class before a split gives them.
    while (
        given.test_size
        and given.test_file is None
        and len(data.test) < given.test_size
        and choices.test_share < _MOST_HELD_OUT
    ):
        share = round(choices.test_share + 0.05, 2)
        choices = dataclasses.replace(choices, test_share=share)
        data = dataset_of(_checked(choices))
    train, test = len(data.train), len(data.test)
    if not test:
        problem = f"none of the {train} texts would be held out to test on"
        raise UsageError(problem, where=given.data, hint="add rows")
    if given.test_size and test < given.test_size:
        problem = (
            f"--test-size {given.test_size} is more than the {test} texts that can be held out"
        )
        raise UsageError(problem, where=given.data, hint=f"give {test} or less, or add rows")
    shots, sizes, left_out = fitting(
        choices, data, shots=bool(given.shots), train_sizes=bool(given.train_sizes)
    )
    test_size = given.test_size or min(_TEST_SIZE, test)
    return dataclasses.replace(
        choices, test_size=test_size, shots=shots, train_sizes=sizes, left_out=left_out
    )


@contextmanager
def _in_options(path: Path) -> Iterator[None]:
    """Name the option in errors of an experiment file that nobody has seen yet."""
    try:
        yield
    except (DatasetError, ExperimentError) as error:
        where = (error.where or "").removeprefix(f"{path}: ")
        for place, option in _OPTIONS.items():
            if where.startswith(place):
                where = f"{option}{where.removeprefix(place).replace('.', ' ')}"
        raise UsageError(error.problem, where=where or None, hint=error.hint) from None


def _checked(choices: Choices) -> Experiment:
    """The experiment as it will be read, with every check of its file, before it is written."""
    from tunebench.experiment import Experiment

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiment.toml"
        path.write_text(choices.experiment_file(), encoding="utf-8")
        with _in_options(path):
            read = Experiment.read(path)
    # The folder from which the data has a relative path does not exist yet.
    given = {"dataset": str(choices.data.absolute())}
    if choices.test_data is not None:
        given["test_dataset"] = str(choices.test_data.absolute())
    task = read.task.model_copy(update=given)
    return dataclasses.replace(read, path=choices.toml, task=task)
