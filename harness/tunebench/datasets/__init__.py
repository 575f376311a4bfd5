"""Labelled texts: `load` gives a data set, found by its name, as two frames.

Importing this package is cheap: the first `load` that needs them imports pandas and, above all,
TensorFlow Datasets (TFDS).
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from tunebench.datasets.columns import (
    chat_instruction,
    column_names,
    text_and_label,
    training_columns,
    value_in_header,
)
from tunebench.datasets.dataset import Dataset
from tunebench.datasets.duplicates import NearDuplicate, near_duplicates
from tunebench.datasets.labelled_texts import ENDINGS
from tunebench.datasets.options import DataReport, Options
from tunebench.datasets.table_summary import TableSummary, inspect_table
from tunebench.errors import DatasetError

__all__ = [
    "DataReport",
    "Dataset",
    "NearDuplicate",
    "Options",
    "TableSummary",
    "chat_instruction",
    "column_names",
    "inspect_table",
    "is_here",
    "load",
    "near_duplicates",
    "text_and_label",
    "training_columns",
    "value_in_header",
]

if TYPE_CHECKING:
    import os

    import pandas as pd


_MODULES = {
    "imdb_reviews": "tunebench.datasets.imdb",
    "rotten_tomatoes": "tunebench.datasets.rotten_tomatoes",
    "tfds:imdb_reviews": "tunebench.datasets.tfds_imdb",
}


def load(
    name: str,
    options: Options | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Load a data set, which is prepared first where this machine has not yet done so.

    Args:
        name: ``imdb_reviews`` (2000 training and 1000 held-out reviews, offline),
            ``rotten_tomatoes`` (8,530 sentences of reviews, offline), ``tfds:imdb_reviews`` (the
            25,000 and 25,000 of the original, downloaded once), another ``tfds:NAME[/CONFIG]``,
            ``hf:NAME[/CONFIG]`` of Hugging Face, or the path of a ``.csv``, ``.tsv``, ``.jsonl``,
            ``.parquet`` or ``.xlsx`` file; text files also as ``.gz``. A pattern such as
            ``data/*.csv`` reads several files as one.
        options: columns, labels and split; the defaults of an experiment file if None.
        data_dir: the folder of prepared data; TFDS's own choice if None, that is the environment
            variable ``TFDS_DATA_DIR`` or else ``~/tensorflow_datasets``.

    Returns:
        The data set, in the same order each time and on each machine. Where ``options.labels``
        differ from the data set's own names by order and case only, label ids follow the former.

    Raises:
        DatasetError: the name is unknown, or the data cannot be found, downloaded, read or
            prepared, or no benchmark can be made of it.
    """
    options = options or Options()
    data = _load(name, options, data_dir)
    if options.max_chars is None:
        return data
    from tunebench.datasets.shortening import cut_texts

    return cut_texts(data, options)


def is_here(name: str, options: Options, *, data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether a data set is on this machine, so that `load` downloads nothing.

    It looks at files only, and imports neither TFDS nor another library. A name that `load` does
    not know is no data set that is missing.
    """
    kind, _, rest = name.partition(":")
    if name in _MODULES:
        return bool(importlib.import_module(_MODULES[name]).is_here(data_dir))
    if rest and kind == "tfds":
        from tunebench.datasets import tfds_sets

        return tfds_sets.is_here(rest, options, data_dir)
    if rest and kind == "hf":
        from tunebench.datasets import hugging_face

        return hugging_face.is_here(rest, options, data_dir)
    if name.lower().endswith(ENDINGS):
        from tunebench.datasets import own_tables

        return own_tables.is_here(name, options)
    return True


def _load(name: str, options: Options, data_dir: str | os.PathLike[str] | None) -> Dataset:
    kind, _, rest = name.partition(":")
    if name in _MODULES:
        _refuse_given(name, options, "text_column", "label_column", "test_dataset", "order")
        if options.group_column is not None:
            problem = f"The data set {name!r} has no column of groups"
            raise DatasetError(problem, hint="take group_column out of [task]")
        module = importlib.import_module(_MODULES[name])
        return _by_name(cast("Dataset", module.load(data_dir=data_dir)), options.labels)
    if rest and kind == "tfds":
        from tunebench.datasets import tfds_sets

        _refuse_given(name, options, "test_dataset", "order")
        return _by_name(tfds_sets.load(rest, options, data_dir), options.labels)
    if rest and kind == "hf":
        from tunebench.datasets import hugging_face

        _refuse_given(name, options, "test_dataset", "order")
        return _by_name(hugging_face.load(rest, options, data_dir), options.labels)
    if name.lower().endswith(ENDINGS):
        from tunebench.datasets import own_tables

        return own_tables.load(name, options)
    known = ", ".join(repr(known) for known in _MODULES)
    endings = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
    hint = f"write {known}, 'tfds:NAME', 'hf:NAME' or the path of a {endings} file"
    raise DatasetError(f"There is no data set {name!r}", hint=hint)


def _refuse_given(name: str, options: Options, *keys: str) -> None:
    for key in keys:
        if getattr(options, key) is not None:
            problem = f"The data set {name!r} has its own {key.replace('_', ' ')}"
            raise DatasetError(problem, hint=f"take {key} out of [task]")


def _by_name(data: Dataset, labels: tuple[str, ...] | None) -> Dataset:
    """Number the labels as the task does, where it uses the data set's names."""
    own = [name.casefold() for name in data.label_names or ()]
    wanted = [name.casefold() for name in labels or ()]
    if sorted(own) != sorted(wanted) or own == wanted or len(set(own)) < len(own):
        return data
    ids = [wanted.index(name) for name in own]

    def renumbered(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(label=frame["label"].map(dict(enumerate(ids))).astype("int64"))

    return replace(
        data, label_names=labels, train=renumbered(data.train), test=renumbered(data.test)
    )
