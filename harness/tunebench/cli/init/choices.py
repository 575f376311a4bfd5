"""The choices of ``tunebench init``: what the arguments say, and what is left to us."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.cli.init.experiment_files import Choices, check_name, name_of, prices_of
from tunebench.cli.init.found import found_provider
from tunebench.cli.init.matrix import fitting
from tunebench.cli.init.provider import chosen_model, chosen_provider
from tunebench.errors import DatasetError, ExperimentError, UsageError

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
class Given:
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


def choices_of(given: Given, text: str, label: str, summaries: Sequence[TableSummary]) -> Choices:
    """The choices before the rows to train and test on are counted.

    Raises:
        UsageError: an argument cannot be met.
    """
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
    checked(choices)  # whatever is wrong here is refused before a request is sent
    found, model = found_provider(provider, given.api_key_env, given.model, choices.toml)
    found.check(sizes)
    return dataclasses.replace(choices, provider=found, model=model, train_sizes=sizes)


def _test_share(rows: int, test_size: int | None) -> float:
    """The share of the texts to hold out, in hundredths."""
    wanted = test_size or _TEST_SIZE
    # Hashes decide which texts are held out: by chance there may be fewer.
    share = (wanted + 3 * math.sqrt(wanted)) / rows
    return round(min(max(share, 0.2), 0.4 if test_size is None else _MOST_HELD_OUT), 2)


def sized(given: Given, choices: Choices) -> Choices:
    """The choices with what was left to us, by how many rows there are to train and test on."""
    from tunebench.evaluation import dataset_of

    choices = dataclasses.replace(choices, moved=choices.test_data is not None)
    data = dataset_of(checked(choices))
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
        data = dataset_of(checked(choices))
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
def in_options(path: Path) -> Iterator[None]:
    """Name the option in errors of an experiment file that nobody has seen yet."""
    try:
        yield
    except (DatasetError, ExperimentError) as error:
        where = (error.where or "").removeprefix(f"{path}: ")
        for place, option in _OPTIONS.items():
            if where.startswith(place):
                where = f"{option}{where.removeprefix(place).replace('.', ' ')}"
        raise UsageError(error.problem, where=where or None, hint=error.hint) from None


def checked(choices: Choices) -> Experiment:
    """The experiment as it will be read, with every check of its file, before it is written."""
    from tunebench.experiment import Experiment

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiment.toml"
        try:
            path.write_text(choices.experiment_file(), encoding="utf-8")
        except UnicodeEncodeError as error:
            line = error.object.split("\n")[error.object.count("\n", 0, error.start)]
            raise UsageError(
                "this is not UTF-8, and every name and text in an experiment file is",
                where=line.partition("   #")[0],
                hint="rename the file, or write the option in UTF-8",
            ) from None
        with in_options(path):
            read = Experiment.read(path)
    # The folder from which the data has a relative path does not exist yet.
    given = {"dataset": str(choices.data.absolute())}
    if choices.test_data is not None:
        given["test_dataset"] = str(choices.test_data.absolute())
    task = read.task.model_copy(update=given)
    return dataclasses.replace(read, path=choices.toml, task=task)
