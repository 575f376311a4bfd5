"""Near-duplicates: test rows that are in train in nearly the same words, which flatters a score.

Candidates come from MinHash; each is then compared exactly. It takes seconds, so a replay does not
look for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.datasets.labelled_texts import normalised
from tunebench.errors import DatasetError

if TYPE_CHECKING:
    from tunebench.datasets.dataset import Dataset

SHINGLE = 5  # characters
_PERMUTATIONS = 256
# 32 bands of 8: a pair with similarity 0.8 becomes a candidate with a probability of 0.997, 0.7
# with 0.85, 0.5 with 0.12. Fewer rows a band would make candidates of all texts that share a
# template.
_BANDS = 32
_CANDIDATES = 100


@dataclass(frozen=True)
class NearDuplicate:
    """A test row and a training row that share most of their shingles.

    Attributes:
        test_item: the test row's item id.
        train_item: the training row's item id.
        similarity: exact Jaccard similarity: shared shingles to all shingles of both.
        test_place: where the test row is, as ``tickets.csv, line 12``; empty if not known.
        train_place: where the training row is.
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
    """Find pairs across the split that are nearly the same text, the most similar first.

    The shingles of a text are all runs of 5 characters in it, in lower case with each white space
    as one space; a shorter text is its own shingle. Of a test row with more than 100 candidates,
    the 100 most similar by MinHash are compared.

    Raises:
        DatasetError: the package ``rensa`` is not installed, or the threshold is out of range.
    """
    if not 0.7 <= threshold <= 1:
        problem = f"The threshold {threshold:g} is out of range"
        raise DatasetError(problem, hint="give one from 0.7 to 1")
    try:
        from rensa import RMinHash, RMinHashLSH
    except ImportError:
        raise DatasetError(
            "Looking for near-duplicates takes rensa",
            hint="run: pip install 'tunebench[near-duplicates]'",
        ) from None
    index = RMinHashLSH(threshold, _PERMUTATIONS, _BANDS)
    train = dataset.train["text"].tolist()
    sketches = [_sketch(RMinHash, _shingles(text)) for text in train]
    for row, sketch in enumerate(sketches):
        index.insert(row, sketch)
    items = dataset.train["item"].tolist()
    found = []
    for item, text in zip(dataset.test["item"], dataset.test["text"], strict=True):
        shingles = _shingles(text)
        wanted = _sketch(RMinHash, shingles)
        rows = index.query(wanted)
        if len(rows) > _CANDIDATES:
            rows = sorted(rows, key=lambda row: (-wanted.jaccard(sketches[row]), row))[:_CANDIDATES]
        for row in rows:
            # Made again for each candidate: those of all texts would take gigabytes.
            other = _shingles(train[row])
            similarity = len(shingles & other) / len(shingles | other)
            if similarity >= threshold:
                places = dataset.places.get(item, ""), dataset.places.get(items[row], "")
                found.append(NearDuplicate(item, items[row], similarity, *places))
    return sorted(found, key=lambda pair: (-pair.similarity, pair.test_item, pair.train_item))


def _shingles(text: str) -> set[str]:
    bare = normalised(text).casefold()
    return {bare[i : i + SHINGLE] for i in range(max(1, len(bare) - SHINGLE + 1))}


def _sketch(kind: type, shingles: set[str]) -> Any:
    sketch = kind(num_perm=_PERMUTATIONS, seed=0)
    sketch.update(list(shingles))
    return sketch
