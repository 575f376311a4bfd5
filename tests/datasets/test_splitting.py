"""Which rows are held out, and the order that each side of a split gives its rows in."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.datasets.labelled_texts import normalised
from tunebench.datasets.splitting import in_quotas, is_held_out, item_id

ROWS = st.lists(st.tuples(st.sampled_from("ABCD"), st.booleans()), max_size=50)
SIDES = (False, True)


def split(rows: list[tuple[str, bool]]) -> tuple[list[int], list[int]]:
    return in_quotas([label for label, _ in rows], [held for _, held in rows])


@given(st.text(), st.integers(), st.floats(0.01, 0.99))
def test_a_text_is_held_out_by_the_stated_rule(text: str, seed: int, share: float) -> None:
    key = normalised(text.encode(errors="ignore").decode())
    number = int(hashlib.sha256(f"{seed}:{key}".encode()).hexdigest(), 16)
    assert is_held_out(key, share, seed) == (number / 2**256 < share)


def test_the_share_held_out_is_about_the_one_asked_for() -> None:
    held = sum(is_held_out(f"text {i}", 0.2, seed=0) for i in range(10_000))
    assert 1_840 <= held <= 2_160  # four standard deviations


def test_another_seed_holds_out_other_texts() -> None:
    first, second = (
        {i for i in range(1000) if is_held_out(f"text {i}", 0.5, seed)} for seed in (0, 1)
    )
    assert 150 < len(first & second) < 350


def test_an_item_id_is_made_of_the_text_and_does_not_show_it() -> None:
    assert item_id("a text") == hashlib.sha256(b"a text").hexdigest()[:16]


@given(st.text(), st.sampled_from([" ", "\n", "\t ", "\u00a0\r\n"]))
def test_white_space_makes_no_other_text(text: str, space: str) -> None:
    assert normalised(space + text.replace(" ", space) + space) == normalised(text)


def test_accents_in_one_or_two_characters_are_the_same_text() -> None:
    assert normalised("caf\u00e9") == normalised("cafe\u0301")


@given(ROWS, ROWS)
def test_rows_at_the_end_change_nothing_that_was_given(
    rows: list[tuple[str, bool]], more: list[tuple[str, bool]]
) -> None:
    for before, after in zip(split(rows), split(rows + more), strict=True):
        assert after[: len(before)] == before


@given(ROWS)
def test_each_side_gives_its_own_rows_once_and_those_of_a_class_in_order(
    rows: list[tuple[str, bool]],
) -> None:
    for side, given_rows in zip(SIDES, split(rows), strict=True):
        assert all(rows[row][1] == side for row in given_rows)
        for label in "ABCD":
            own = [row for row in given_rows if rows[row][0] == label]
            every = [row for row, (name, held) in enumerate(rows) if (name, held) == (label, side)]
            assert own == every[: len(own)]


@given(ROWS)
def test_no_class_gets_more_than_one_row_ahead_of_its_running_share(
    rows: list[tuple[str, bool]],
) -> None:
    given_before: list[list[int]] = [[], []]
    for read in range(1, len(rows) + 1):
        seen = Counter(label for label, _ in rows[:read])
        for side, now in enumerate(split(rows[:read])):
            for place in range(len(given_before[side]), len(now)):
                label = rows[now[place]][0]
                count = sum(rows[row][0] == label for row in now[: place + 1])
                # Exact: count < share × place + 1, in whole numbers.
                assert (count - 1) * read < seen[label] * (place + 1)
            given_before[side] = now


@given(ROWS)
def test_a_row_waits_only_while_its_class_has_its_share(rows: list[tuple[str, bool]]) -> None:
    """After the last row of a side was read, none of its classes that lacks a row has one left."""
    for side, given_rows in zip(SIDES, split(rows), strict=True):
        last = max((row for row, (_, held) in enumerate(rows) if held == side), default=-1) + 1
        seen = Counter(label for label, _ in rows[:last])
        counts = Counter(rows[row][0] for row in given_rows)
        for row in set(range(last)) - set(given_rows):
            label, held = rows[row]
            if held == side:
                assert counts[label] * last >= seen[label] * (len(given_rows) + 1)


@pytest.mark.parametrize("pattern", ["AB", "AAB", "ABBB"])
@given(held_out=st.lists(st.booleans(), min_size=50, max_size=200))
def test_where_shares_hold_still_every_beginning_has_them_within_two_rows(
    pattern: str, held_out: list[bool]
) -> None:
    labels = [pattern[i % len(pattern)] for i in range(len(held_out))]
    for given_rows in in_quotas(labels, held_out):
        for label in "AB":
            share = pattern.count(label) / len(pattern)
            count = 0
            for place, row in enumerate(given_rows, 1):
                count += labels[row] == label
                assert abs(count - share * place) <= 2


def test_file_order_alone_would_not_be_stratified() -> None:
    """The texts decide who is held out, so that by chance a class comes too often or too seldom."""
    labels = ["A", "B"] * 2000
    held_out = [is_held_out(f"text {i}", 0.2, seed=0) for i in range(4000)]
    in_file_order = [label for label, held in zip(labels, held_out, strict=True) if held]
    in_turn = [labels[row] for row in in_quotas(labels, held_out)[1]]

    def worst(given_labels: list[str]) -> float:
        return max(abs(given_labels[:n].count("A") - n / 2) for n in range(1, len(given_labels)))

    assert worst(in_turn) <= 2 < worst(in_file_order)
    assert len(in_turn) > 0.9 * len(in_file_order)
