"""The TFDS builder of ``tfds:imdb_reviews``. Import it late: it imports TFDS."""

from __future__ import annotations

import tarfile
from typing import IO, TYPE_CHECKING, Any

import tensorflow_datasets as tfds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HOMEPAGE = "http://ai.stanford.edu/~amaas/data/sentiment/"
_Official: Any = tfds.builder_cls("imdb_reviews")


def _features() -> Any:
    return tfds.features.FeaturesDict(
        {
            "item": tfds.features.Text(),
            "text": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["neg", "pos"]),
        }
    )


class TunebenchImdbCanonical(_Official):  # type: ignore[misc]  # TFDS has no types
    """``tfds:imdb_reviews``: TFDS's ``imdb_reviews/plain_text`` with each review's file name.

    Which reviews there are, their texts, labels and order are the official builder's. It has a
    name of its own so that a copy which TFDS prepared itself is neither read nor overwritten.

    Attributes:
        source: the checked archive; set before preparing.
    """

    pkg_dir_path = _Official.pkg_dir_path  # description and citation
    source: Path

    def _info(self) -> Any:
        return self.dataset_info_from_configs(
            features=_features(), supervised_keys=("text", "label"), homepage=_HOMEPAGE
        )

    def _split_generators(self, _dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in ("train", "test")}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        # The official generator takes (path, file) pairs from anywhere. Its key, the path, is what
        # TFDS orders the reviews by.
        for path, example in super()._generate_examples(_files(self.source), f"aclImdb/{split}"):
            yield path, {**example, "item": path.removeprefix("aclImdb/")}


def _files(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    # As a stream: never back to an earlier file, which would mean to decompress it all again.
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:
                yield member.name, file
