"""Prepared data: made once by TFDS, safely when several processes start at once, then read fast.

The folder of one recipe holds the array_record files of TFDS and, beside them, the flat copy. A
load reads the copy; without a good one it reads the records; without good ones it prepares them
again.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.datasets import flat
from tunebench.datasets.dataset import Columns
from tunebench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable

INFO = "dataset_info.json"  # TFDS writes it last


@dataclass(frozen=True)
class Recipe:
    """How to make one data set, and how to recognise it.

    Attributes:
        folder: its place below the data folder: ``name[/config]/version``, as in TFDS.
        splits: the splits to read.
        builder: gives TFDS's builder for a data folder. Its attribute ``source`` is set to the
            result of `source` before anything is prepared.
        source: finds (or downloads to the data folder) the raw file and checks it.
    """

    folder: str
    splits: tuple[str, ...]
    builder: Callable[[Path], Any]
    source: Callable[[Path], Path]


def load(recipe: Recipe, data_dir: str | os.PathLike[str] | None = None) -> dict[str, Columns]:
    """The columns of each split of a recipe, which is prepared first if need be.

    Raises:
        DatasetError: the library is missing, the folder cannot be written in, or the data cannot be
            made.
    """
    root = data_folder(data_dir)
    lock = root / Path(recipe.folder).parts[0] / ".lock"

    def make() -> dict[str, Columns]:
        tfds_library()
        return _records(recipe, root) or _prepare(recipe, root)

    return flat.kept(root / recipe.folder, lock, make)


def tfds_library() -> Any:
    """The library TFDS.

    Raises:
        DatasetError: it is not installed.
    """
    try:
        import tensorflow_datasets
    except ImportError:
        problem = "Reading a set of TensorFlow Datasets takes the library tensorflow-datasets"
        raise DatasetError(problem, hint="run: pip install 'tunebench[tfds]'") from None
    return tensorflow_datasets


def tfds_is_here() -> bool:
    """Whether the library TFDS is installed; it is not imported."""
    return importlib.util.find_spec("tensorflow_datasets") is not None


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """The folder of prepared data: the one given, or as TFDS chooses it.

    Raises:
        DatasetError: it is not on this machine.
    """
    chosen = os.fspath(given or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    if "://" in chosen:
        problem = f"The data folder {chosen} is not on this machine"
        raise DatasetError(problem, hint="set TFDS_DATA_DIR to one that is")
    return Path(chosen).expanduser().absolute()


def run_builder(builder: Any) -> None:
    """Have TFDS prepare a set without its progress, which it prints in any case."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        builder.download_and_prepare(file_format="array_record")


def one_line(error: BaseException) -> str:
    """The beginning of an error's text, in one line."""
    return " ".join(str(error).split())[:300]


def _prepare(recipe: Recipe, root: Path) -> dict[str, Columns]:
    folder = root / recipe.folder
    source = recipe.source(root)
    for left_over in (folder, *folder.parent.glob("incomplete.*")):
        shutil.rmtree(left_over, ignore_errors=True)
    up_to_date = "that tensorflow-datasets and array-record are up to date"
    try:
        builder = recipe.builder(root)
        builder.source = source
        run_builder(builder)
    except OSError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {one_line(error)}"
        problem = f"TFDS could not prepare {source} in {folder} ({why})"
        hint = f"check that the file is whole and {up_to_date}"
        raise DatasetError(problem, hint=hint) from error
    splits = _records(recipe, root)
    if splits is None:
        shutil.rmtree(folder, ignore_errors=True)
        problem = f"What TFDS wrote of {source} in {folder} reads back otherwise"
        raise DatasetError(problem, hint=f"check the disk, and {up_to_date}")
    return splits


def _records(recipe: Recipe, root: Path) -> dict[str, Columns] | None:
    """The prepared records; None if there are none or they are damaged."""
    if not (root / recipe.folder / INFO).exists():
        return None
    try:
        builder = recipe.builder(root)
        splits = {name: _columns(builder, name) for name in recipe.splits}
    except Exception:  # TFDS, protobuf and array_record raise what they like on damaged files
        return None
    return splits


def _columns(builder: Any, split: str) -> Columns:
    records = list(builder.as_data_source(split))
    return Columns(
        item=[record["item"].decode() for record in records],
        text=[record["text"].decode() for record in records],
        label=[int(record["label"]) for record in records],
    )
