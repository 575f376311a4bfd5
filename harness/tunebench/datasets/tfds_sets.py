"""``tfds:NAME[/CONFIG]``: any text classification set of TensorFlow Datasets, without TensorFlow.

Not every builder prepares its data without TensorFlow; one that cannot is told in a sentence.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

from tunebench.datasets import prepared
from tunebench.datasets.download import check_reachable
from tunebench.datasets.public_sets import (
    Public,
    chosen_feature,
    chosen_splits,
    kept,
    public,
    to_dataset,
)
from tunebench.errors import DatasetError, nearest

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from tunebench.datasets.dataset import Dataset
    from tunebench.datasets.options import Options


def load(name: str, options: Options, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a set, downloading and preparing it the first time.

    Args:
        name: ``NAME`` or ``NAME/CONFIG``, also with ``:VERSION``, as TFDS writes it.
        options: columns, labels and split.
        data_dir: the data folder; as TFDS chooses it if None.

    Raises:
        DatasetError: there is no such set, it cannot be downloaded or prepared, or holds no texts
            and labels.
    """
    called, root = f"tfds:{name}", prepared.data_folder(data_dir)
    made = kept(called, options, root, lambda: _read(name, options, root))
    return to_dataset(called, made, options)


def _read(name: str, options: Options, root: Path) -> Public:
    import tensorflow_datasets as tfds

    called = f"tfds:{name}"
    try:
        builder = tfds.builder(name, data_dir=root)
    except tfds.core.DatasetNotFoundError:
        near = nearest(name.partition("/")[0], tfds.list_builders(with_community_datasets=False))
        hint = f"did you mean 'tfds:{near}'?" if near else "see tensorflow.org/datasets/catalog."
        raise DatasetError(f"TFDS has no data set {name!r}; {hint}") from None
    except Exception as error:  # of a config, a version or a namespace that is not there
        raise DatasetError(
            f"TFDS cannot make {name!r} ({_one_line(error)}); fix its config or version."
        ) from None
    _prepare(called, builder)
    features = dict(builder.info.features.items())
    texts = [key for key, kind in features.items() if isinstance(kind, tfds.features.Text)]
    classes = [key for key, kind in features.items() if isinstance(kind, tfds.features.ClassLabel)]
    every = list(features)
    text = chosen_feature(called, "text_column", options.text_column, "text", texts, every)
    label = chosen_feature(called, "label_column", options.label_column, "label", classes, every)
    splits = chosen_splits(called, list(builder.info.splits))
    names = features[label].names if label in classes else None
    return public({split: _split(called, builder, split, text, label) for split in splits}, names)


def _prepare(called: str, builder: Any) -> None:
    if (builder.data_path / "dataset_info.json").exists():
        return
    for url in list(getattr(builder, "url_infos", None) or ())[:1]:
        check_reachable(
            url, 3.0, f"or prepare {called!r} elsewhere and set TFDS_DATA_DIR to its folder"
        )
    try:
        # TFDS prints its progress and leaves no choice.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            builder.download_and_prepare(file_format="array_record")
    except OSError:
        raise
    except (Exception, SystemExit) as error:  # builders raise what they like
        raise DatasetError(
            f"TFDS could not prepare {called!r} ({type(error).__name__}: {_one_line(error)}); if "
            "it wants TensorFlow, prepare it where that is installed, as array_record, and set "
            "TFDS_DATA_DIR to its folder."
        ) from error


def _split(
    called: str, builder: Any, split: str, text: str, label: str
) -> tuple[list[Any], list[Any]]:
    try:
        records = list(builder.as_data_source(split))
    except Exception as error:  # TFDS and array_record raise what they like on other formats
        raise DatasetError(
            f"The records of {called!r} in {builder.data_path} cannot be read "
            f"({_one_line(error)}); they must be array_record: move that folder away, so that they "
            "are prepared again."
        ) from error
    return [_cell(record[text]) for record in records], [_cell(record[label]) for record in records]


def _cell(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
