"""``tfds:imdb_reviews``: the Large Movie Review Dataset (Maas et al., ACL 2011), as TFDS gives it.

The archive comes from the address that TFDS knows and must have its checksum. The builder of TFDS
prepares it; only reading the archive, for which TFDS needs TensorFlow, is done here.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.datasets import flat, prepared
from tunebench.datasets.dataset import Columns, Dataset, to_frame
from tunebench.datasets.download import Archive, fetch

if TYPE_CHECKING:
    import os

LABEL_NAMES = ("neg", "pos")
_FOLDER = "tunebench_imdb_canonical/plain_text/1.0.0"
_DOWNLOADS, _ARCHIVE = Path("downloads/manual"), "aclImdb_v1.tar.gz"


def load(
    *, data_dir: str | os.PathLike[str] | None = None, archive: Archive | None = None
) -> Dataset:
    """Load the 25,000 training and 25,000 test reviews, downloading 84 MB the first time.

    They are in TFDS's order; items are the positions in it, such as ``test/00042``.

    The archive is kept in ``<data folder>/downloads/manual``, where TFDS looks for files that were
    put there by hand, too.

    Raises:
        DatasetError: the archive cannot be downloaded or prepared, or is another one.
    """
    recipe = prepared.Recipe(
        folder=_FOLDER,
        splits=("train", "test"),
        builder=_builder,
        source=functools.partial(_source, archive),
    )
    splits = prepared.load(recipe, data_dir)
    return Dataset(
        name="tfds:imdb_reviews",
        label_names=LABEL_NAMES,
        train=to_frame(_by_position("train", splits["train"])),
        test=to_frame(_by_position("test", splits["test"])),
    )


def _by_position(split: str, columns: Columns) -> Columns:
    # TFDS's own copy has no file names, so that items can be compared with it by position only.
    items = [f"{split}/{position:05d}" for position in range(len(columns["text"]))]
    return Columns(item=items, text=columns["text"], label=columns["label"])


def is_here(data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether a copy is kept, or TFDS is installed and has its records or the archive."""
    root = prepared.data_folder(data_dir)
    made_of = (root / _FOLDER / prepared.INFO, root / _DOWNLOADS / _ARCHIVE)
    copy = (root / _FOLDER / flat.NAME).exists()
    return copy or (any(path.exists() for path in made_of) and prepared.tfds_is_here())


def official_archive() -> Archive:
    """The archive's address, size and checksum, read from TFDS's own list."""
    tfds = prepared.tfds_library()
    ((url, known),) = tfds.builder_cls("imdb_reviews").url_infos.items()
    return Archive(url=url, sha256=known.checksum, size=int(known.size))


def _source(archive: Archive | None, root: Path) -> Path:
    return fetch(archive or official_archive(), root / _DOWNLOADS)


def _builder(root: Path) -> Any:
    from tunebench.datasets.builders import TunebenchImdbCanonical

    return TunebenchImdbCanonical(data_dir=root)
