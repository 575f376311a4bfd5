"""Labelled texts in: `load` finds a data set by its name and gives it as two frames.

Importing this package costs nothing: pandas, and TensorFlow Datasets (TFDS) above all, are
imported by the first `load` that needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from harness.datasets.dataset import Dataset, DatasetError
from harness.datasets.labelled_texts import TableSummary, inspect_table

if TYPE_CHECKING:
    import os

__all__ = ["Dataset", "DatasetError", "TableSummary", "inspect_table", "load"]

_MODULES = {
    "imdb_reviews": "harness.datasets.imdb",
    "tfds:imdb_reviews": "harness.datasets.tfds_imdb",
}


def load(name: str, *, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a data set, preparing it first if this machine has not yet done so.

    Args:
        name: ``imdb_reviews`` (2000 training and 1000 held-out reviews, offline) or
            ``tfds:imdb_reviews`` (the 25,000 and 25,000 of the original, downloaded once).
        data_dir: where prepared data lies; TFDS's own choice if None, that is the environment
            variable ``TFDS_DATA_DIR`` or else ``~/tensorflow_datasets``.

    Returns:
        The data set, in the same order each time and on each machine.

    Raises:
        DatasetError: the name is unknown, or the data cannot be found, downloaded or prepared.
    """
    if name not in _MODULES:
        known = " and ".join(repr(known) for known in _MODULES)
        raise DatasetError(f"There is no data set {name!r}; write one of those known: {known}.")
    return cast("Dataset", importlib.import_module(_MODULES[name]).load(data_dir=data_dir))
