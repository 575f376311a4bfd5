"""Prepared data: made once by TFDS, safely when several processes start at once, then read fast.

One recipe's folder holds TFDS's array_record files and, beside them, the flat copy. A load looks
at the copy; without a good one it reads the records; without good ones it prepares them again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.datasets import flat
from tunebench.datasets.dataset import Columns
from tunebench.errors import DatasetError

try:
    import fcntl
except ImportError:  # Windows: two processes that prepare one set at once are not kept apart there.
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True)
class Recipe:
    """How one data set is made and known again.

    Attributes:
        folder: where it lies below the data folder: TFDS's ``name[/config]/version``.
        splits: the splits to read.
        builder: gives TFDS's builder for a data folder. It has an attribute ``source``, which is
            set to what `source` returned before anything is prepared.
        source: finds (or downloads to the data folder) the raw file and checks it.
        sha256: what `canonical_sha256` gives for a split, where that is known beforehand.
    """

    folder: str
    splits: tuple[str, ...]
    builder: Callable[[Path], Any]
    source: Callable[[Path], Path]
    sha256: Mapping[str, str] = field(default_factory=dict)


def load(recipe: Recipe, data_dir: str | os.PathLike[str] | None = None) -> dict[str, Columns]:
    """Read what the recipe makes, making it first if need be.

    Args:
        recipe: what to load.
        data_dir: the data folder; as TFDS chooses it if None.

    Returns:
        The columns of each split.

    Raises:
        DatasetError: the folder cannot be written in, or the data cannot be made.
    """
    root = data_folder(data_dir)
    folder = root / recipe.folder
    copy = folder / "flat.json"
    splits = flat.read(copy)
    if splits is not None:
        return splits
    try:
        with locked(root / Path(recipe.folder).parts[0] / ".lock"):
            # Another process may have made it while this one waited.
            splits = flat.read(copy)
            if splits is None:
                splits = _records(recipe, root) or _prepare(recipe, root)
                flat.write(copy, splits)
    except OSError as error:
        raise DatasetError(
            f"Cannot prepare data in {folder} ({error}); make that folder writable, or set "
            "TFDS_DATA_DIR to one that is and has room."
        ) from error
    return splits


def canonical_sha256(columns: Columns) -> str:
    """Hash texts and labels so that any two copies of the same reviews compare equal.

    Args:
        columns: n texts and labels; the items are left out.

    Returns:
        The SHA-256 in hexadecimal of the JSON list of n pairs ``[text, label]``, without spaces,
        in UTF-8.
    """
    pairs = list(zip(columns["text"], columns["label"], strict=True))
    data = json.dumps(pairs, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(data.encode()).hexdigest()


def data_folder(given: str | os.PathLike[str] | None) -> Path:
    """Where prepared data lies: the folder given, or as TFDS chooses it.

    Raises:
        DatasetError: it is not on this machine.
    """
    chosen = os.fspath(given or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    if "://" in chosen:
        raise DatasetError(
            f"The data folder {chosen} is not on this machine; set TFDS_DATA_DIR to one that is."
        )
    return Path(chosen).expanduser().absolute()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process after the other prepare a set; `path` is the lock's file."""
    # TFDS writes to a folder of its own and renames it, which fails for all but the first of
    # several processes. The system drops this lock when its holder dies, however it dies.
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _prepare(recipe: Recipe, root: Path) -> dict[str, Columns]:
    folder = root / recipe.folder
    source = recipe.source(root)
    for left_over in (folder, *folder.parent.glob("incomplete.*")):
        shutil.rmtree(left_over, ignore_errors=True)
    try:
        # TFDS prints its progress and leaves no choice.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            builder = recipe.builder(root)
            builder.source = source
            builder.download_and_prepare(file_format="array_record")
    except OSError:
        raise
    except Exception as error:
        raise DatasetError(
            f"TFDS could not prepare {source} in {folder} ({type(error).__name__}: "
            f"{_one_line(error)}); check that the file is whole and that tensorflow-datasets and "
            "array-record are up to date."
        ) from error
    splits = _records(recipe, root)
    if splits is None:
        shutil.rmtree(folder, ignore_errors=True)
        raise DatasetError(
            f"What TFDS prepared from {source} in {folder} reads back otherwise than it was "
            "written; check the disk, and that tensorflow-datasets and array-record are up to date."
        )
    return splits


def _records(recipe: Recipe, root: Path) -> dict[str, Columns] | None:
    """Read the prepared records; None if there are none or they are not what they should be."""
    if not (root / recipe.folder / "dataset_info.json").exists():
        return None
    try:
        builder = recipe.builder(root)
        splits = {name: _columns(builder, name) for name in recipe.splits}
    except Exception:  # TFDS, protobuf and array_record raise what they like on damaged files
        return None
    if any(canonical_sha256(splits[name]) != sha256 for name, sha256 in recipe.sha256.items()):
        return None
    return splits


def _columns(builder: Any, split: str) -> Columns:
    records = list(builder.as_data_source(split))
    return Columns(
        item=[record["item"].decode() for record in records],
        text=[record["text"].decode() for record in records],
        label=[int(record["label"]) for record in records],
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
