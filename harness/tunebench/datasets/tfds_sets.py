"""``tfds:NAME[/CONFIG]``: any text classification set of TensorFlow Datasets, without TensorFlow.

Not every builder prepares its data without TensorFlow; one that cannot is an error that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from tunebench.errors import DatasetError, nearest

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from tunebench.datasets.dataset import Dataset
    from tunebench.datasets.options import Options


def load(name: str, options: Options, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a set, downloading and preparing it the first time; its name is as TFDS writes it.

    Raises:
        DatasetError: the library is missing, there is no such set, it cannot be downloaded or
            prepared, or it holds no texts and labels.
    """
    called, root = f"tfds:{name}", prepared.data_folder(data_dir)
    made = kept(called, options, root, lambda: _read(name, options, root))
    return to_dataset(called, made, options)


def is_here(name: str, options: Options, data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether a copy of the set is kept, or TFDS is installed and has prepared a version of it."""
    root = prepared.data_folder(data_dir)
    folder = root / name.partition(":")[0]
    records = (any(folder.glob(f"{depth}/{prepared.INFO}")) for depth in ("*", "*/*"))
    return is_kept(f"tfds:{name}", options, root) or (any(records) and prepared.tfds_is_here())


def _read(name: str, options: Options, root: Path) -> Public:
    tfds = prepared.tfds_library()
    called = f"tfds:{name}"
    try:
        builder = tfds.builder(name, data_dir=root)
    except tfds.core.DatasetNotFoundError:
        near = nearest(name.partition("/")[0], tfds.list_builders(with_community_datasets=False))
        hint = f"did you mean 'tfds:{near}'?" if near else "see tensorflow.org/datasets/catalog"
        raise DatasetError(f"TFDS has no data set {name!r}", hint=hint) from None
    except Exception as error:  # of a config, a version or a namespace that is not there
        problem = f"TFDS cannot make {name!r} ({prepared.one_line(error)})"
        raise DatasetError(problem, hint="fix its config or version") from None
    _prepare(called, builder)
    features = dict(builder.info.features.items())
    texts = [key for key, kind in features.items() if isinstance(kind, tfds.features.Text)]
    classes = [key for key, kind in features.items() if isinstance(kind, tfds.features.ClassLabel)]
    columns = chosen_columns(called, options, list(features), texts, classes)
    splits = {}
    for split in chosen_splits(called, list(builder.info.splits)):
        records = _records(called, builder, split)
        splits[split] = tuple([_cell(one[key]) for one in records] for key in columns)
    label = columns[1]
    return Public.of(splits, features[label].names if label in classes else None)


def _prepare(called: str, builder: Any) -> None:
    if (builder.data_path / prepared.INFO).exists():
        return
    for url in list(getattr(builder, "url_infos", None) or ())[:1]:
        by_hand = f"or prepare {called!r} elsewhere and set TFDS_DATA_DIR to its folder"
        check_reachable(url, 3.0, by_hand)
    try:
        prepared.run_builder(builder)
    except OSError:
        raise
    except (Exception, SystemExit) as error:  # builders raise what they like
        why = f"{type(error).__name__}: {prepared.one_line(error)}"
        raise DatasetError(
            f"TFDS could not prepare {called!r} ({why})",
            hint="if it needs TensorFlow, prepare it where that is installed, as array_record, and "
            "set TFDS_DATA_DIR to its folder",
        ) from error


def _records(called: str, builder: Any, split: str) -> list[Any]:
    try:
        return list(builder.as_data_source(split))
    except Exception as error:  # TFDS and array_record raise what they like on other formats
        why = prepared.one_line(error)
        raise DatasetError(
            f"The records of {called!r} in {builder.data_path} cannot be read ({why})",
            hint="they must be array_record: move that folder away, so that they are prepared "
            "again",
        ) from error


def _cell(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
