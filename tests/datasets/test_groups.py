"""Texts in groups: which side a group is on, and what is refused."""

import csv
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebench.datasets import Dataset, Options, inspect_table, load
from tunebench.datasets.public_sets import Public, to_dataset
from tunebench.datasets.splitting import is_held_out
from tunebench.errors import DatasetError

LABELS = ("billing", "login")
Row = tuple[str, str, str]


def write(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label", "author"), *rows])


def tickets(count: int, groups: int = 20, start: int = 0) -> list[Row]:
    draw = random.Random(start)
    return [
        (f"ticket {i}", draw.choice(LABELS), f"author {draw.randrange(groups)}")
        for i in range(start, start + count)
    ]


def read(folder: Path, rows: Iterable[Row], test: Iterable[Row] = (), **options: object) -> Dataset:
    write(folder / "tickets.csv", rows)
    given = {"group_column": "author", **options}
    if test:
        write(folder / "test.csv", test)
        given["test_dataset"] = "test.csv"
    return load("tickets.csv", replace(Options(folder, LABELS), **given))


def sentence(folder: Path, rows: Iterable[Row], test: Iterable[Row] = (), **options: object) -> str:
    with pytest.raises(DatasetError) as raised:
        read(folder, rows, test, **options)
    return str(raised.value).replace(f"{folder}/", "")


@settings(max_examples=25)
@given(
    seed=st.integers(0, 3),
    share=st.sampled_from([0.2, 0.5]),
    groups=st.integers(8, 60),
    shuffle=st.randoms(),
    more=st.integers(0, 50),
)
def test_no_group_is_on_both_sides_or_changes_sides(
    seed: int,
    share: float,
    groups: int,
    shuffle: random.Random,
    more: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("groups")
    rows = tickets(200, groups)
    held_out = {group for _, _, group in rows if is_held_out(group, share, seed)}
    if not held_out or held_out == {group for _, _, group in rows}:
        return
    data = read(folder, rows, seed=seed, test_share=share)
    assert set(data.test["group"]) <= held_out
    assert not set(data.train["group"]) & held_out
    shuffle.shuffle(rows)
    after = read(folder, [*rows, *tickets(more, groups, 200)], seed=seed, test_share=share)
    assert not set(data.train["item"]) & set(after.test["item"])
    assert not set(data.test["item"]) & set(after.train["item"])


def test_frames_and_report_name_the_groups(tmp_path: Path) -> None:
    rows = tickets(200)
    data = read(tmp_path, rows, test_share=0.3)
    for frame in (data.train, data.test):
        assert list(frame.columns) == ["item", "text", "label", "group"]
        authors = {text: author for text, _, author in rows}
        assert frame["group"].tolist() == [authors[text] for text in frame["text"]]
    train, test = data.train["group"].nunique(), data.test["group"].nunique()
    assert f"groups: {train} in train, {test} in test" in str(data.report)
    assert "split: 0.3 of the groups held out" in str(data.report)


def test_items_and_rows_do_not_depend_on_the_column(tmp_path: Path) -> None:
    rows = tickets(60)
    data = read(tmp_path, rows, rows_of(500))
    without = read(tmp_path, rows, rows_of(500), group_column=None)
    for side in ("train", "test"):
        assert getattr(data, side).drop(columns="group").equals(getattr(without, side))


def rows_of(start: int) -> list[Row]:
    """Rows whose authors nobody else is."""
    return [(text, label, f"{author} of others") for text, label, author in tickets(30, 5, start)]


def test_names_of_groups_differ_by_more_than_white_space(tmp_path: Path) -> None:
    rows = [(t, label, f" {author.replace(' ', '  ')}") for t, label, author in tickets(100)]
    spaced = read(tmp_path, rows)
    assert set(spaced.test["item"]) == set(read(tmp_path, tickets(100)).test["item"])


def test_a_group_in_both_files_is_refused_with_its_lines(tmp_path: Path) -> None:
    rows = [("one", "billing", "ann"), ("two", "login", "bob"), ("three", "login", "ann")]
    test = [("four", "billing", "cid"), ("five", "login", "ann")]
    assert sentence(tmp_path, rows, test) == (
        "tickets.csv: 1 group is also in test.csv, 'ann' (lines 2, 4 here, line 3 there); take it "
        'out of one, or set overlap = "move" in [task], which leaves its texts to the test rows.'
    )
    moved = read(tmp_path, rows, test, overlap="move")
    assert moved.train["text"].tolist() == ["two"]
    assert moved.test["text"].tolist() == ["four", "five"]
    assert "2 rows taken out of train: the text or its group is in test" in str(moved.report)


def test_a_row_without_a_group_is_refused_with_its_line(tmp_path: Path) -> None:
    rows = [*tickets(20), ("one", "billing", " "), ("two", "login", "\u200b")]
    assert sentence(tmp_path, rows) == (
        "tickets.csv: 2 rows have no group (lines 22, 23); fill it in, or take the row out."
    )


def test_a_column_that_is_not_there_is_suggested(tmp_path: Path) -> None:
    assert sentence(tmp_path, tickets(20), group_column="autor").endswith(
        'set group_column = "author" in [task], or fix the file.'
    )
    assert sentence(tmp_path, tickets(20), group_column="label") == (
        "tickets.csv: label_column and group_column are both 'label'; name two columns."
    )


@pytest.mark.parametrize(("share", "side"), [(0.001, "train"), (0.999, "test")])
def test_groups_that_are_all_on_one_side_are_refused(
    share: float, side: str, tmp_path: Path
) -> None:
    assert sentence(tmp_path, tickets(20, groups=3), test_share=share) == (
        f"tickets.csv: the split leaves all 3 groups to {side}, since a group is never on both "
        "sides; set another seed or test_share in [task], or give the test rows in test_dataset."
    )


def test_numbers_of_groups_are_read_as_they_are_written(tmp_path: Path) -> None:
    lines = [
        f'{{"text": "ticket {i}", "label": "{LABELS[i % 2]}", "author": {i % 9}}}\n'
        for i in range(60)
    ]
    (tmp_path / "tickets.jsonl").write_text("".join(lines))
    data = load("tickets.jsonl", Options(tmp_path, LABELS, group_column="author"))
    assert {*data.train["group"], *data.test["group"]} == set(map(str, range(9)))


def test_a_data_set_without_such_a_column_says_so() -> None:
    with pytest.raises(DatasetError) as raised:
        load("imdb_reviews", Options(group_column="film"))
    assert str(raised.value) == (
        "The data set 'imdb_reviews' has no column of groups; take group_column out of [task]."
    )


def test_a_file_that_is_sorted_by_group_is_in_runs(tmp_path: Path) -> None:
    rows = tickets(100)
    for order, runs in ((rows, False), (sorted(rows, key=lambda row: row[2]), True)):
        write(tmp_path / "tickets.csv", order)
        summary = inspect_table(tmp_path / "tickets.csv", group_column="author")
        assert (summary.runs, summary.groups) == (runs, 20)


def public(**splits: list[Row]) -> Public:
    columns = {name: list(map(list, zip(*rows, strict=True))) for name, rows in splits.items()}
    return Public.of(columns, None)


def test_one_split_of_a_public_set_is_divided_by_group() -> None:
    rows = tickets(200)
    data = to_dataset("hf:made", public(train=rows), Options(labels=LABELS, group_column="author"))
    held_out = {author for _, _, author in rows if is_held_out(author, 0.2, 0)}
    assert set(data.test["group"]) == held_out
    assert set(data.train["group"]) == {author for _, _, author in rows} - held_out


def test_given_splits_of_a_public_set_may_share_no_group() -> None:
    rows, test = [("one", "billing", "ann"), ("two", "login", "bob")], [("three", "login", "ann")]
    made, options = public(train=rows, test=test), Options(labels=LABELS, group_column="author")
    with pytest.raises(DatasetError) as raised:
        to_dataset("hf:made", made, options)
    assert str(raised.value) == (
        "'hf:made': 1 texts of the split 'train' are also in 'test', or of a group that is, such "
        "as 'ann'; set overlap = \"move\" in [task], which leaves them to the test rows."
    )
    data = to_dataset("hf:made", made, replace(options, overlap="move"))
    assert data.train["text"].tolist() == ["two"]


def test_rows_of_a_public_set_without_a_group_are_left_out() -> None:
    rows = [*tickets(60), ("nobody's", "login", ""), ("no one's", "login", None)]
    data = to_dataset("hf:made", public(train=rows), Options(labels=LABELS, group_column="author"))
    assert data.report is not None
    assert data.report.unusable == 2
    assert "left out: no text, no label, no group or two different labels" in str(data.report)
