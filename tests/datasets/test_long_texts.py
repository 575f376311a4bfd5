"""Texts that are longer than ``max_chars`` in ``[task]``."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.datasets import Dataset, Options, load
from tunebench.errors import DatasetError
from tunebench.formatting import shortened


@given(text=st.text(st.sampled_from("ab \n"), max_size=60), most=st.integers(1, 40))
def test_a_part_is_short_enough_and_stands_at_that_end(text: str, most: int) -> None:
    start, end = shortened(text, most), shortened(text, most, "end")
    assert max(len(start), len(end)) <= most
    if len(text) <= most:
        assert start == end == text
    else:
        assert text.lstrip().startswith(start)
        assert text.rstrip().endswith(end)
        assert bool(start) == bool(end) == bool(text.strip())


@given(
    words=st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=20),
    most=st.integers(10, 60),
)
def test_no_word_is_cut_that_is_shorter_than_half_of_the_limit(words, most: int) -> None:
    text = " ".join(words)
    start = shortened(text, most).split()
    end = shortened(text, most, "end").split()
    assert start == words[: len(start)]
    assert end == words[len(words) - len(end) :]


def test_a_script_without_spaces_is_cut_anywhere() -> None:
    assert shortened("日本語の文章 " + "長" * 50, 20) == "日本語の文章 " + "長" * 13
    assert shortened("x" * 50, 20, "end") == "x" * 20


def read(folder: Path, texts: list[str], **options: object) -> Dataset:
    with (folder / "notes.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [(text, "ab"[i % 2]) for i, text in enumerate(texts)]
        csv.writer(file).writerows([("text", "label"), *rows])
    return load("notes.csv", Options(folder, ("a", "b"), **options))  # type: ignore[arg-type]


TEXTS = [f"{i} begins here" + " and goes on" * (i % 3) + f" to end at {i}" for i in range(60)]


def test_texts_are_cut_on_both_sides_and_counted(tmp_path: Path) -> None:
    whole = read(tmp_path, TEXTS)
    for keep in ("start", "end"):
        data = read(tmp_path, TEXTS, max_chars=30, keep=keep)
        counts = []
        for before, after in ((whole.train, data.train), (whole.test, data.test)):
            expected = [shortened(text, 30, keep) for text in before["text"]]
            assert after["text"].tolist() == expected
            assert after["item"].tolist() == before["item"].tolist()
            changed = before["item"][before["text"] != after["text"]]
            counts.append(len(changed))
            assert set(changed) == data.cut & set(before["item"])
        assert min(counts) > 0
        assert data.report is not None
        assert data.report.cut == tuple(counts)
        assert str(data.report).splitlines()[3] == (
            f"cut: {counts[0]} texts in train, {counts[1]} in test; the {keep} of at most 30 "
            "characters kept"
        )


def test_a_limit_that_no_text_reaches_changes_nothing(tmp_path: Path) -> None:
    whole, data = read(tmp_path, TEXTS), read(tmp_path, TEXTS, max_chars=1000)
    assert whole.train.equals(data.train)
    assert whole.test.equals(data.test)
    assert data.cut == frozenset()


def test_texts_that_a_cut_makes_the_same_are_refused_with_their_lines(tmp_path: Path) -> None:
    texts = [*TEXTS, "the same beginning, one", "the same beginning, two"]
    with pytest.raises(DatasetError) as raised:
        read(tmp_path, texts, max_chars=20)
    said = str(raised.value)
    assert said.startswith("notes.csv: with max_chars = 20 two texts are the same (notes.csv, line")
    assert {"62", "63"} <= set(said.replace(")", " ").split())
    assert said.endswith('; raise it in [task], set keep = "end", or take a row out.')
