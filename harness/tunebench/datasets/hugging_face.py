"""``hf:NAME[/CONFIG]``: a set of the Hugging Face Hub or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.datasets import prepared
from tunebench.datasets.download import check_reachable
from tunebench.datasets.public_sets import (
    Public,
    chosen_columns,
    chosen_splits,
    is_kept,
    kept,
    to_dataset,
)
from tunebench.errors import DatasetError

if TYPE_CHECKING:
    import os

    from tunebench.datasets.dataset import Dataset
    from tunebench.datasets.options import Options

_TEXT_TYPES = ("string", "large_string")


def load(name: str, options: Options, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a set, downloading it the first time.

    Args:
        name: ``NAME``, ``OWNER/NAME`` or ``OWNER/NAME/CONFIG``, or a folder, which begins with
            ``/``, ``./``, ``../`` or ``~``; a relative one is relative to ``options.folder``.
        options: columns, labels and split.
        data_dir: where a copy of a set of the Hub is kept; as TFDS chooses it if None.

    Raises:
        DatasetError: the library is missing, there is no such set, it cannot be downloaded, or it
            holds no texts and labels.
    """
    called = f"hf:{name}"
    if (folder := _folder(name, options)) is not None:
        if not folder.is_dir():
            problem = f"there is no folder {folder}"
            raise DatasetError(problem, where=repr(called), hint="fix the path")
        return to_dataset(called, _read(called, [str(folder)], options), options)
    owner, slash, rest = name.partition("/")
    path, _, config = rest.partition("/")
    where = [f"{owner}{slash}{path}", *([config] if config else [])]
    root = prepared.data_folder(data_dir)
    made = kept(called, options, root, lambda: _read(called, where, options))
    return to_dataset(called, made, options)


def is_here(name: str, options: Options, data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether the folder is there, or a copy of the set of the Hub is kept."""
    if (folder := _folder(name, options)) is not None:
        return folder.is_dir()
    return is_kept(f"hf:{name}", options, prepared.data_folder(data_dir))


def _folder(name: str, options: Options) -> Path | None:
    """The folder that a name stands for; None for a set of the Hub."""
    return options.folder / Path(name).expanduser() if name.startswith((".", "/", "~")) else None


def _read(called: str, where: list[str], options: Options) -> Public:
    try:
        import datasets
    except ImportError:
        problem = f"Reading {called!r} takes the library datasets"
        raise DatasetError(problem, hint="run: pip install 'tunebench[hf]'") from None
    if not Path(where[0]).is_absolute():
        by_hand = "or have the set's files in a folder and write hf:/that/folder"
        check_reachable(datasets.config.HF_ENDPOINT, 3.0, by_hand)
    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        found = datasets.load_dataset(*where)
    except Exception as error:  # the library raises what the readers of all its formats raise
        why = " ".join(str(error).split())[:300]
        problem = f"{called!r} cannot be read ({type(error).__name__}: {why})"
        raise DatasetError(problem, hint="fix its name, config or files") from error
    finally:
        if shown:
            datasets.enable_progress_bars()
    names = chosen_splits(called, list(found))
    features = found[names[0]].features
    classes = [key for key, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    texts = [key for key, kind in features.items() if kind in map(datasets.Value, _TEXT_TYPES)]
    columns = chosen_columns(called, options, list(features), texts, classes)
    splits = {split: [list(found[split][column]) for column in columns] for split in names}
    label = columns[1]
    return Public.of(splits, features[label].names if label in classes else None)
