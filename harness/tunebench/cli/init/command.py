"""The command ``tunebench init``.

It reads the file, writes the experiment, its test cases and a workflow that replays them, and says
what recording will take. A provider that is a URL is asked what it can do, with small requests of
the tool's own; nothing of the file is sent.
"""

from __future__ import annotations

import dataclasses
from itertools import product
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
    print_lines,
)
from tunebench.cli.init.choices import Given, checked, choices_of, in_options, sized
from tunebench.cli.init.columns import chosen_columns, chosen_instruction
from tunebench.cli.init.experiment_files import (
    ATTRIBUTES,
    IGNORE,
    IGNORED,
    WORKFLOW,
    workflow_file,
)
from tunebench.cli.init.installation import requirement
from tunebench.cli.init.writing import with_lines, write
from tunebench.errors import UsageError
from tunebench.files import files_of
from tunebench.presets import PRESETS

if TYPE_CHECKING:
    from pathlib import Path


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

    given = Given(**arguments)
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
    choices = sized(given, choices_of(given, text, label, summaries))
    experiment = checked(choices)
    with in_options(experiment.path):
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
        print_lines(lines_of(report))
