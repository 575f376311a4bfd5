"""``tunebench init``: from a file of labelled texts to a benchmark that can be recorded.

It reads the file, writes the experiment, its cases and a workflow that replays them, and says what
recording will take. Nothing is asked of any provider.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.cli.new_experiment import (
    ATTRIBUTES,
    WORKFLOW,
    Choices,
    check_name,
    name_of,
    prices_of,
    workflow_file,
)
from tunebench.cli.provider_choice import chosen_model, chosen_provider
from tunebench.errors import DatasetError, ExperimentError, UsageError
from tunebench.presets import PRESETS

if TYPE_CHECKING:
    import argparse

    from tunebench.datasets import TableSummary
    from tunebench.experiment import Experiment

_TEST_SIZE = 100
_MOST_HELD_OUT = 0.9


def add_init(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands."""
    parser = subparsers.add_parser(
        "init",
        help="make a benchmark from a file of labelled texts",
        description="Make a benchmark from a file of labelled texts (.csv, .tsv, .jsonl, "
        ".parquet): write benchmarks/NAME/experiment.toml, its test cases and a workflow for CI, "
        "and say what recording it will take.",
    )
    add = parser.add_argument
    add("data", metavar="DATA", type=Path)
    add("--text", metavar="COLUMN", required=True, help="the column of the texts")
    add("--label", metavar="COLUMN", required=True, help="the column of the labels")
    add("--name", help="of the experiment (the file's name)")
    add("--model", metavar="ID", help="to ask; needed unless local (smollm2-135m)")
    add(
        "--provider",
        default="local",
        help="the URL of an OpenAI-compatible endpoint, or a known one: "
        f"{', '.join(PRESETS)} (local)",
    )
    add("--test-size", type=_whole, metavar="N", help="texts to ask (100, or fewer if few rows)")
    add("--train-sizes", type=_whole, nargs="*", metavar="N", help="rows to fine-tune on")
    add("--shots", type=int, nargs="+", metavar="N", help="worked examples in prompts (0 1 4)")
    add("--instruction", metavar="TEXT", help="the first line of prompts (made from the labels)")
    add(
        "--prices",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="of the model: training, input and output (a million tokens), or per_hour; currency",
    )
    add("--into", type=Path, default=Path(), metavar="FOLDER", help="holds benchmarks/ (here)")
    add("--force", action="store_true", help="replace files that are there")
    add("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)
    return parser


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run(args: argparse.Namespace) -> int:
    """Carry out the command.

    Returns:
        0.

    Raises:
        TunebenchError: no benchmark can be made of the file and the choices, or files are there
            already. Nothing was written then.
    """
    from tunebench.cli.init_said import lines_of, report_of
    from tunebench.evaluation import estimates

    summary = _inspected(args)
    choices = _sized(args, _choices(args, summary))
    experiment = _checked(choices)
    rows = estimates(experiment)
    contents = {choices.toml: choices.experiment_file(), choices.test: choices.test_file()}
    if not (choices.root / WORKFLOW).exists():
        contents[choices.root / WORKFLOW] = workflow_file()
    attributes = choices.root / ATTRIBUTES
    lines = choices.git_attributes(experiment.cassettes.parent)
    if (text := _with_lines(attributes, lines)) is not None:
        contents[attributes] = text
    _write(contents, force=args.force)
    report = report_of(choices, summary, experiment, rows, list(contents))
    if args.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        print("\n".join(lines_of(report)))
    return 0


def _inspected(args: argparse.Namespace) -> TableSummary:
    """What the file holds; a mistake is told in the words of this command, not of a task."""
    from tunebench.datasets import inspect_table

    try:
        return inspect_table(args.data, args.text, args.label)
    except DatasetError as error:
        said = str(error).removeprefix(str(args.data)).replace(" in [task]", "")
        said = re.sub(r"set (text|label)_column (?:= |to )", r"give --\1 ", said)
        said = re.sub(r"\b(text|label)_column\b", r"--\1", said)
        raise UsageError(f"{args.data}{said}") from None


def _choices(args: argparse.Namespace, summary: TableSummary) -> Choices:
    from tunebench.formatting import check_labels

    name = args.name if args.name is not None else name_of(args.data.stem)
    check_name(name)
    provider = chosen_provider(args.provider)
    provider.check(args.train_sizes)
    labels = summary.labels
    instruction = args.instruction or f"Classify the following text as {_either(labels)}"
    try:
        check_labels(labels, instruction)
    except ExperimentError as error:
        raise UsageError(f"{args.data}: {error}") from None
    return Choices(
        root=args.into,
        data=args.data,
        shuffled=summary.runs,
        name=name,
        text_column=args.text,
        label_column=args.label,
        labels=labels,
        instruction=instruction,
        test_share=_test_share(len(summary.texts), args.test_size),
        test_size=1,
        provider=provider,
        model=chosen_model(provider, args.model),
        prices=prices_of(args.prices),
        shots=args.shots or [0],
        train_sizes=args.train_sizes or [],
    )


def _either(labels: tuple[str, ...]) -> str:
    return f"{', '.join(labels[:-1])} or {labels[-1]}"


def _test_share(kept: int, test_size: int | None) -> float:
    """The share of the texts to hold out, in hundredths."""
    wanted = test_size or _TEST_SIZE
    # Which texts are held out is settled by their hashes: by chance there may be fewer.
    share = (wanted + 3 * math.sqrt(wanted)) / kept
    return round(min(max(share, 0.2), 0.4 if test_size is None else _MOST_HELD_OUT), 2)


def _sized(args: argparse.Namespace, choices: Choices) -> Choices:
    """What was left open, chosen by how many rows there are to learn from and to ask."""
    from tunebench.evaluation import dataset_of

    data = dataset_of(_checked(choices))
    # Also, rows may wait for others of their class before a split gives them.
    while (
        args.test_size and len(data.test) < args.test_size and choices.test_share < _MOST_HELD_OUT
    ):
        share = round(choices.test_share + 0.05, 2)
        choices = dataclasses.replace(choices, test_share=share)
        data = dataset_of(_checked(choices))
    learn, ask = len(data.train), len(data.test)
    shots, sizes = args.shots, args.train_sizes
    if shots is None:
        shots = [n for n in (0, 1, 4) if n * 2 * len(choices.labels) <= learn]
    if sizes is None:
        sizes = [n for n in (100, 300) if n <= learn] if choices.provider.trains else []
    test_size = args.test_size or max(1, min(_TEST_SIZE, ask))
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
            raise UsageError(str(error).replace(str(path), str(choices.toml))) from None
    # The folder from which the data has a relative path is not there yet.
    task = read.task.model_copy(update={"dataset": str(choices.data.absolute())})
    return dataclasses.replace(read, path=choices.toml, task=task)


def _with_lines(path: Path, lines: list[str]) -> str | None:
    """A file's text with the lines that it lacks at its end; None if it has them all."""
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise UsageError(
            f"{path}: the file cannot be read ({error.strerror}); nothing was written."
        ) from None
    end = "\r\n" if "\r\n" in text else "\n"
    missing = "".join(line + end for line in lines if line not in text.splitlines())
    if text and not text.endswith("\n"):
        text += end
    return text + missing if missing else None


def _write(contents: dict[Path, str], *, force: bool) -> None:
    from tunebench.files import whole_files

    taken = [path for path in contents if path.exists()]
    replaced = [path for path in taken if path.name != ATTRIBUTES.name]
    if replaced and not force:
        raise UsageError(
            f"{', '.join(map(str, replaced))}: there already; nothing was written. Give another "
            "--name, or --force to replace what is there."
        )
    for path in contents:
        twins = [p for p in path.parent.parent.glob(f"*/{path.name}") if p != path]
        if path.name.startswith("test_") and twins:
            raise UsageError(
                f"{twins[0]}: a test file of this name is there, and pytest wants another for each "
                "experiment; give another --name."
            )
    try:
        for path in contents:
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{error.filename}: the folder cannot be made ({error.strerror}); nothing was written."
        ) from None
    with ExitStack() as stack:
        new = [path for path in contents if path not in taken]
        for paths, overwrite in [(new, False), *(([path], True) for path in taken)]:
            if paths:
                opened = stack.enter_context(whole_files(paths, overwrite=overwrite))
                for path, file in zip(paths, opened, strict=True):
                    file.write(contents[path].encode(errors="surrogateescape"))
