"""The test rows of an experiment, and the prompts of its cells."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from tunebench.datasets import Dataset, Options, load
from tunebench.errors import DatasetError
from tunebench.evaluation.prompts import Prompts
from tunebench.formatting import (
    Example,
    bare_prompt,
    chat_prompt,
    draw_examples,
    few_shot_prompt,
)
from tunebench.tables import Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from functools import _lru_cache_wrapper

    import pandas as pd

    from tunebench.experiment import Cell, Experiment


# Part of the key of what is kept here, so that an experiment that is read again sees the files of
# its data as they are then.
State = tuple[str | None, ...]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_kept: list[_lru_cache_wrapper[Any]] = []

# Rows of a class; where fewer are expected, there may be hardly any by chance.
_FEWEST_EXPECTED = 5


def kept(maxsize: int) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Keep what a function makes of the data until the next run."""

    def keep(function: Callable[_P, _T]) -> Callable[_P, _T]:
        cached = lru_cache(maxsize)(function)
        _kept.append(cached)
        return cached  # type: ignore[return-value]

    return keep


def forget_inputs() -> None:
    """Forget all data: their files may have changed, also where `State` does not show it."""
    for cached in _kept:
        cached.cache_clear()


def dataset_of(experiment: Experiment) -> Dataset:
    """The data set of an experiment."""
    return _dataset(experiment.task.dataset, options_of(experiment), experiment.data_state)


def options_of(experiment: Experiment) -> Options:
    """How an experiment reads its data set."""
    task = experiment.task
    return Options(
        folder=experiment.path.absolute().parent,
        labels=tuple(task.labels),
        text_column=task.text_column,
        label_column=task.label_column,
        group_column=task.group_column,
        test_dataset=task.test_dataset,
        test_share=task.test_share,
        overlap=task.overlap,
        seed=task.seed,
        order=task.order,
        max_chars=task.max_chars,
        keep=task.keep or "start",
    )


@kept(8)
def _dataset(name: str, options: Options, _: State) -> Dataset:
    return load(name, options)


def cut_texts(experiment: Experiment) -> int | None:
    """How many test texts are cut to ``max_chars``; None where that is not set."""
    if experiment.task.max_chars is None:
        return None
    cut = dataset_of(experiment).cut
    return sum(item in cut for item in test_rows(experiment)["item"])


def test_rows(experiment: Experiment) -> pd.DataFrame:
    """The test rows of an experiment, the same for every cell: item, text, label id, and group.

    There is a column of groups only where the task names one.
    """
    return _test_rows(experiment, experiment.data_state)


@kept(8)
def _test_rows(experiment: Experiment, _: State) -> pd.DataFrame:
    task = experiment.task
    data = dataset_of(experiment)
    test = data.test
    if task.test_size > len(test):
        held_out = data.report is not None and data.report.share is not None
        raise DatasetError(
            f"{task.test_size} is more than the {len(test)} test rows of {task.dataset!r}",
            where=f"{experiment.path}: [task] test_size",
            hint=f"lower it to {len(test)} or less"
            + (", raise test_share or add rows" if held_out else ""),
        )
    rows = test.iloc[: task.test_size]  # no copy, which `head` makes
    for split, labels in (("test", rows["label"]), ("training", data.train["label"])):
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(task.labels):
            raise DatasetError(
                f"there are {len(task.labels)} labels, and the {split} rows of {task.dataset!r} "
                f"have label ids from {labels.min()} to {labels.max()}",
                where=f"{experiment.path}: [task] labels",
                hint="name the label of each id, in the order of the ids",
            )
    _refuse_sorted(experiment, data, rows)
    return rows


def group_numbers(groups: Iterable[object]) -> tuple[int, ...]:
    """Groups as numbers from 0 on, in the order of their first texts."""
    numbers: dict[object, int] = {}
    return tuple(numbers.setdefault(group, len(numbers)) for group in groups)


def _refuse_sorted(experiment: Experiment, data: Dataset, rows: pd.DataFrame) -> None:
    """Refuse test rows that hold far fewer of a label than its share of all rows.

    Public sets and rows ordered by hash are not checked.
    """
    if data.report is None or experiment.task.order == "hash":
        return
    asked = rows["label"].value_counts()
    whole = Counter(data.train["label"].value_counts().to_dict())
    whole.update(data.test["label"].value_counts().to_dict())
    for label_id, label in enumerate(experiment.task.labels):
        share = whole[label_id] / whole.total()
        found = int(asked.get(label_id, 0))
        if share * len(rows) >= _FEWEST_EXPECTED and found < share * len(rows) / 4:
            raise DatasetError(
                f"{found} of the first {len(rows)} test rows are {label!r}, and "
                f"{share:.0%} of all rows: the file is sorted by label",
                where=experiment.path,
                hint='set order = "hash" in [task], or shuffle its rows once and put new ones at '
                "the end",
            )


def train_rows(experiment: Experiment) -> pd.DataFrame:
    """The rows for training and for worked examples, in the order of the data set."""
    test_rows(experiment)  # checks the labels
    rows, limit = dataset_of(experiment).train, experiment.task.training_rows
    if limit is not None and limit > len(rows):
        raise DatasetError(
            f"{limit} is more than the {len(rows)} training rows of {experiment.task.dataset!r}",
            where=f"{experiment.path}: [task] training_rows",
            hint=f"lower it to {len(rows)} or less, or leave it out",
        )
    return rows if limit is None else rows.head(limit)


@kept(8)
def _examples(experiment: Experiment, shots: int, seed: int, _: State) -> tuple[Example, ...]:
    train, test = train_rows(experiment), test_rows(experiment)["text"]
    # Of a million test texts few are training texts, or none.
    both = test[test.isin(train["text"])].tolist() if shots else []
    return draw_examples(train, experiment.task.labels, shots, seed=seed, test_texts=both)


def examples_of(cell: Cell) -> tuple[Example, ...]:
    """The worked examples in a cell's prompts."""
    state = cell.experiment.data_state
    return _examples(cell.experiment, cell.shots, cell.examples_seed, state)


def is_chat(cell: Cell) -> bool:
    """Whether a cell's prompts are messages."""
    experiment = cell.experiment
    return experiment.providers[experiment.models[cell.model].provider].endpoint == "chat"


@dataclass(frozen=True)
class _Form:
    # What a cell's prompts are made with; decision rules, and runs of a training, share it.
    bare: bool
    chat: bool = False
    instruction: str = ""
    shots: int = 0
    seed: int = 0

    @classmethod
    def of(cls, cell: Cell) -> _Form:
        chat = is_chat(cell)
        if cell.train_size and not chat:
            return cls(bare=True)
        return cls(False, chat, cell.instruction_text, cell.shots, cell.examples_seed)

    def prompts(self, experiment: Experiment, rows: pd.DataFrame) -> Prompts:
        if self.bare:
            return Prompts(rows, bare_prompt)
        examples = _examples(experiment, self.shots, self.seed, experiment.data_state)
        prompt = chat_prompt if self.chat else few_shot_prompt
        return Prompts(rows, partial(prompt, self.instruction, examples))


def prompts_of(cell: Cell) -> Prompts:
    """The prompts of a cell by item id, in the order of the test rows; messages in a chat.

    The prompts of a fine-tuned model are as in its training: the text alone, in a chat the
    instruction and the text.
    """
    return _Form.of(cell).prompts(cell.experiment, test_rows(cell.experiment))


def prompts_for(cell: Cell, items: Sequence[str], texts: Sequence[str]) -> Prompts:
    """The prompts that a cell would make of other texts."""
    import pandas as pd

    rows = pd.DataFrame({"item": list(items), "text": list(texts)}, dtype=object)
    return _Form.of(cell).prompts(cell.experiment, rows)


def texts_of(cell: Cell) -> Iterator[str]:
    """The texts of the data set in a cell's prompts."""
    yield from Values(test_rows(cell.experiment)["text"])
    yield from (example.text for example in examples_of(cell))
