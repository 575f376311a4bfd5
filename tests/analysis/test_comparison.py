"""One paired comparison, for uplifts, regressions, answers and `tunebench compare`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.analysis import Comparison
from tunebench.statistics import (
    mcnemar_exact,
    mcnemar_mid_p,
    paired_bootstrap,
    run_bootstrap,
    run_difference,
    texts_needed,
)


@given(
    pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1),
    seed=st.integers(0, 5),
)
def test_counts_interval_and_tests_are_those_of_the_pairs(pairs, seed):
    first, other = (
        {str(i): right for i, right in enumerate(column)} for column in zip(*pairs, strict=True)
    )
    found = Comparison.paired(first, other, seed=seed)
    gained, lost = pairs.count((True, False)), pairs.count((False, True))
    assert (found.n, found.both) == (len(pairs), pairs.count((True, True)))
    assert (found.only_first, found.only_other) == (gained, lost)
    assert found.difference == (gained - lost) / len(pairs)
    interval = paired_bootstrap(list(first.values()), list(other.values()), seed=seed)
    assert (found.low, found.high) == interval
    assert (found.p, found.exact_p) == (mcnemar_mid_p(gained, lost), mcnemar_exact(gained, lost))
    assert found.texts_needed == texts_needed(gained / len(pairs), lost / len(pairs))


def test_texts_are_paired_by_item_and_named_in_the_order_of_the_first():
    first = {"c": True, "a": True, "b": False, "d": True}
    other = {"a": False, "b": True, "c": False, "d": True, "e": True}
    found = Comparison.paired(first, other)
    assert (found.n, found.both, found.gained, found.lost) == (4, 1, ("c", "a"), ("b",))
    assert found.seed == 0  # of the intervals in committed results


def test_texts_in_groups_are_compared_by_whole_groups():
    draw = np.random.default_rng(5)
    groups = {str(i): i // 8 for i in range(160)}
    lean = draw.random(20)
    first, other = (
        {item: bool(draw.random() < shift + lean[group] / 2) for item, group in groups.items()}
        for shift in (0.4, 0.2)
    )
    found = Comparison.paired(first, other, groups, seed=3)
    sides = [[list(side.values())] for side in (first, other)]
    spread = run_difference(*sides, groups=list(groups.values()))
    assert (found.p, found.exact_p) == (spread.p(), None)
    assert found.difference == pytest.approx(spread.mean)
    assert found.texts_needed == spread.texts_needed()
    assert (found.low, found.high) == run_bootstrap(
        *sides, spread, groups=list(groups.values()), seed=3
    )
    assert found.p_in_words == f"p over groups {spread.p():.2g}"


def test_equal_answers_in_groups_are_not_told_apart():
    same = {str(i): i % 3 == 0 for i in range(30)}
    found = Comparison.paired(same, same, {item: int(item) // 5 for item in same})
    assert (found.difference, found.p, found.low, found.high) == (0.0, 1.0, 0.0, 0.0)
