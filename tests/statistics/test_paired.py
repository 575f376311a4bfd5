import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from tunebench.statistics import holm, mcnemar_exact, mcnemar_mid_p, paired_bootstrap

counts = st.integers(0, 2_000)
pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200)


@given(a=counts, b=counts)
@example(a=0, b=1)
@example(a=7, b=7)
def test_mid_p_is_the_exact_p_less_the_point_probability(a: int, b: int) -> None:
    exact = mcnemar([[0, a], [b, 0]], exact=True).pvalue if a + b else 1.0
    point = stats.binom.pmf(min(a, b), a + b, 0.5) if a + b else 0.0
    expected = exact - (point / 2 if a == b else point)
    assert mcnemar_mid_p(a, b) == pytest.approx(expected, rel=1e-8, abs=1e-12)


@given(a=counts, b=counts)
def test_mid_p_is_twice_the_one_sided_mid_p(a: int, b: int) -> None:
    if a != b:
        fewer, n = min(a, b), a + b
        below, point = stats.binom.cdf(fewer - 1, n, 0.5), stats.binom.pmf(fewer, n, 0.5)
        assert mcnemar_mid_p(a, b) == pytest.approx(2 * (below + point / 2), rel=1e-8)


@given(a=st.integers(0, 10**6), b=st.integers(0, 10**6))
def test_mid_p_is_a_probability_that_does_not_depend_on_the_order(a: int, b: int) -> None:
    assert 0 <= mcnemar_mid_p(a, b) <= 1
    assert mcnemar_mid_p(a, b) == mcnemar_mid_p(b, a)


def test_mid_p_of_the_paper_that_proposes_it() -> None:
    # Fagerland, Lydersen, Laake 2013, the study of airway hyper-responsiveness: 1 and 7.
    assert mcnemar_mid_p(1, 7) == pytest.approx(0.0391, abs=5e-5)


def test_mid_p_of_large_counts() -> None:
    assert mcnemar_mid_p(500_500, 499_500) == pytest.approx(
        2 * stats.binom.cdf(499_500, 10**6, 0.5) - stats.binom.pmf(499_500, 10**6, 0.5), rel=1e-6
    )
    assert mcnemar_mid_p(0, 100_000) == 0
    assert mcnemar_mid_p(12_500, 12_500) == pytest.approx(1, abs=0.003)


def test_no_discordant_pair_tells_nothing() -> None:
    assert mcnemar_mid_p(0, 0) == 1


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="counts must be 0 or more, not -1 and 3"):
        mcnemar_mid_p(-1, 3)


@pytest.mark.parametrize(
    ("n", "gained", "lost"), [(100, 30, 9), (100, 2, 0), (45, 27, 18), (1_000, 80, 100)]
)
def test_the_interval_is_that_of_scipys_paired_bootstrap(n: int, gained: int, lost: int) -> None:
    first = np.arange(n) < gained
    second = (np.arange(n) >= gained) & (np.arange(n) < gained + lost)
    oracle = stats.bootstrap(
        (first.astype(float), second.astype(float)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        paired=True,
        method="percentile",
        n_resamples=10_000,
        batch=1_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    interval = paired_bootstrap(first.tolist(), second.tolist(), seed=0)
    spread = math.sqrt((gained + lost) / n / n)
    # The ends lie 2/n apart where every text tells the two apart, and move by 0.03 of the spread.
    assert interval == pytest.approx((oracle.low, oracle.high), abs=2.01 / n + 0.15 * spread)


@given(answers=pairs, seed=st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_interval(answers: list[tuple[bool, bool]], seed: int) -> None:
    first, second = zip(*answers, strict=True)
    interval = paired_bootstrap(first, second, seed=seed)
    assert interval == paired_bootstrap(list(first), np.array(second), seed=seed)
    assert -1 <= interval[0] <= interval[1] <= 1


@given(answers=pairs)
def test_swapping_the_two_mirrors_the_interval(answers: list[tuple[bool, bool]]) -> None:
    first, second = zip(*answers, strict=True)
    low, high = paired_bootstrap(first, second, seed=0)
    mirrored = paired_bootstrap(second, first, seed=0)
    within = 2.01 / len(answers) + 0.15 / math.sqrt(len(answers))
    assert mirrored == pytest.approx((-high, -low), abs=within)


@given(answers=st.lists(st.booleans(), min_size=1), seed=st.integers(0, 2**32))
def test_equal_answers_differ_by_nothing(answers: list[bool], seed: int) -> None:
    assert paired_bootstrap(answers, answers, seed=seed) == (0, 0)


def test_the_interval_is_pinned() -> None:
    first, second = [True] * 85 + [False] * 15, [True] * 55 + [False] * 36 + [True] * 9
    assert paired_bootstrap(first, second, seed=0) == (0.09, 0.33)
    assert paired_bootstrap(first, second, seed=1, level=0.5) == (0.17, 0.25)


@pytest.mark.parametrize(("first", "second"), [([], []), ([True], []), ([True], [True, False])])
def test_answers_that_are_no_pairs_are_refused(first: list[bool], second: list[bool]) -> None:
    with pytest.raises(ValueError, match="must be equally many"):
        paired_bootstrap(first, second, seed=0)


@given(a=counts, b=counts)
@example(a=0, b=1)
@example(a=7, b=7)
@example(a=0, b=0)
def test_exact_p_is_that_of_statsmodels(a: int, b: int) -> None:
    expected = mcnemar([[0, a], [b, 0]], exact=True).pvalue if a + b else 1.0
    # scipy's binomial tail is 0.0 below about 1e-299 already, where a float still has digits.
    assert mcnemar_exact(a, b) == pytest.approx(expected, rel=1e-8, abs=1e-290)


@given(a=st.integers(0, 10**6), b=st.integers(0, 10**6))
@example(a=8_000, b=8_000)
def test_exact_p_is_no_smaller_than_mid_p(a: int, b: int) -> None:
    assert mcnemar_mid_p(a, b) <= mcnemar_exact(a, b) == mcnemar_exact(b, a) <= 1
    assert a != b or mcnemar_exact(a, b) == 1


def test_exact_p_of_large_counts() -> None:
    expected = stats.binomtest(500_500, 10**6).pvalue
    assert mcnemar_exact(500_500, 499_500) == pytest.approx(expected, rel=1e-6)
    assert mcnemar_exact(0, 100_000) == 0


def test_negative_counts_have_no_exact_p() -> None:
    with pytest.raises(ValueError, match="counts must be 0 or more, not -1 and 3"):
        mcnemar_exact(-1, 3)


p_values = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.02, 1.0]), max_size=30)


@settings(max_examples=30)  # statsmodels takes a tenth of a second each
@given(values=p_values)
def test_holm_is_that_of_statsmodels(values: list[float]) -> None:
    expected = multipletests(values, method="holm")[1].tolist() if values else []
    assert holm(values) == pytest.approx(expected, rel=1e-12, abs=0)


@given(values=p_values)
def test_holm_keeps_the_order_and_never_lowers(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(p <= q <= 1 for p, q in zip(values, adjusted, strict=True))
    of_sorted = holm(sorted(values))
    assert of_sorted == sorted(adjusted)
    assert of_sorted == sorted(of_sorted)


def test_holm_of_one_test_is_its_p_value() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
def test_holm_refuses_what_is_no_p_value(value: float) -> None:
    with pytest.raises(ValueError, match="at position 1 is not"):
        holm([0.5, value])
