"""Test rows that stand in train in nearly the same words, which makes a score too good.

Candidates come from MinHash; each is then compared exactly. It takes seconds, so it is no part of
a replay.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from harness.datasets.dataset import DatasetError
from harness.datasets.labelled_texts import normalised

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset

SHINGLE = 5  # characters
_PERMUTATIONS = 128
# 32 bands of 4: a pair with similarity 0.5 is looked at with a probability of 0.87, 0.6 of 0.988,
# 0.7 of 0.9998.
_BANDS = 32


@dataclass(frozen=True)
class NearDuplicate:
    """A test row and a training row that share most of their shingles.

    Attributes:
        test_item: the test row's item id.
        train_item: the training row's item id.
        similarity: Jaccard's, shared shingles to all shingles of both, exact.
        test_place: where the test row stands, as ``tickets.csv, line 12``; empty if not known.
        train_place: where the training row stands.
    """

    test_item: str
    train_item: str
    similarity: float
    test_place: str
    train_place: str

    def __str__(self) -> str:
        test = self.test_place or self.test_item
        train = self.train_place or self.train_item
        return f"{test} (test) and {train} (train): {self.similarity:.2f} alike"


def near_duplicates(dataset: Dataset, threshold: float = 0.8) -> list[NearDuplicate]:
    """Find pairs across the split that are nearly the same text.

    A text's shingles are all runs of 5 characters in it, in lower case with each white space one
    space; a shorter text is its own shingle.

    Args:
        dataset: n test and m training rows.
        threshold: the least similarity, 0.5 to 1. At 0.8 no pair is likely to be missed, at 0.5
            one in eight.

    Returns:
        The pairs, the most alike first.

    Raises:
        DatasetError: the package ``rensa`` is not installed, or the threshold is out of range.
    """
    if not 0.5 <= threshold <= 1:
        raise DatasetError(f"The threshold {threshold:g} is out of range; give one from 0.5 to 1.")
    try:
        from rensa import RMinHash, RMinHashLSH
    except ImportError:
        raise DatasetError(
            "Looking for near-duplicates takes rensa; run: pip install 'tunebench[near-duplicates]'"
        ) from None
    index = RMinHashLSH(threshold, _PERMUTATIONS, _BANDS)
    asked = dataset.test["text"].tolist()
    for row, text in enumerate(asked):
        index.insert(row, _sketch(RMinHash, _shingles(text)))
    # Made again for each candidate: the shingles of all texts take a hundred times their room.
    again = lru_cache(maxsize=1000)(lambda row: _shingles(asked[row]))
    items = dataset.test["item"].tolist()
    found = []
    for item, text in zip(dataset.train["item"], dataset.train["text"], strict=True):
        shingles = _shingles(text)
        for row in index.query(_sketch(RMinHash, shingles)):
            shared = len(shingles & again(row))
            similarity = shared / (len(shingles) + len(again(row)) - shared)
            if similarity >= threshold:
                places = dataset.places.get(items[row], ""), dataset.places.get(item, "")
                found.append(NearDuplicate(items[row], item, similarity, *places))
    return sorted(found, key=lambda pair: (-pair.similarity, pair.test_item, pair.train_item))


def _shingles(text: str) -> set[str]:
    bare = normalised(text).casefold()
    return {bare[i : i + SHINGLE] for i in range(max(1, len(bare) - SHINGLE + 1))}


def _sketch(kind: type, shingles: set[str]) -> object:
    sketch = kind(num_perm=_PERMUTATIONS, seed=0)
    sketch.update(list(shingles))
    return sketch
