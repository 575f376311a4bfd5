import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tunebench.statistics import (
    mcnemar_mid_p,
    paired_bootstrap,
    run_bootstrap,
    run_difference,
    run_interval,
    wilson_interval,
)


def answers(seed: int, runs: int, n: int, accuracy: float = 0.7) -> np.ndarray:
    return np.random.default_rng(seed).random((runs, n)) < accuracy


@given(
    seed=st.integers(0, 10**6),
    runs=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    n=st.integers(3, 60),
    groups=st.integers(2, 12) | st.none(),
)
def test_standard_errors_are_those_of_statsmodels(seed, runs, n, groups) -> None:
    first, second = answers(seed, runs[0], n), answers(seed + 1, runs[1], n, 0.5)
    numbers = None if groups is None else [i % groups for i in range(n)]
    found = run_difference(first, second, groups=numbers)
    d = first.mean(0) - second.mean(0)
    units = np.arange(n) if groups is None else np.array(numbers)
    fitted = sm.OLS(d, np.ones(n)).fit(
        cov_type="cluster", cov_kwds={"groups": units, "use_correction": True}
    )
    assert found.mean == pytest.approx(d.mean())
    assert found.text_variance == pytest.approx(float(fitted.cov_params()[0][0]), abs=1e-12)
    runs_part = sum(stats.sem(one.mean(1)) ** 2 if len(one) > 1 else 0.0 for one in (first, second))
    assert found.run_variance == pytest.approx(runs_part, abs=1e-12)


def test_degrees_of_freedom_are_welchs() -> None:
    first, second = answers(1, 3, 40), answers(2, 2, 40)
    found = run_difference(first, second)
    # Scipy's own Welch test has two parts; with all texts alike only the runs are left.
    same = np.repeat([[True], [False], [True]], 40, 1), np.repeat([[True], [False]], 40, 1)
    only_runs = run_difference(*same)
    expected = stats.ttest_ind(*(one.mean(1) for one in same), equal_var=False)
    assert only_runs.degrees == pytest.approx(expected.df)
    assert only_runs.error == pytest.approx(only_runs.mean / expected.statistic)
    assert min(1, 2) < found.degrees < 39 + 2 + 1


def test_one_run_on_many_texts_is_the_paired_t_test_and_near_mcnemars() -> None:
    first, second = answers(1, 1, 400, 0.75), answers(2, 1, 400, 0.7)
    found = run_difference(first, second)
    paired = stats.ttest_rel(first[0].astype(float), second[0].astype(float))
    assert found.p() == pytest.approx(paired.pvalue)
    only = int((first & ~second).sum()), int((second & ~first).sum())
    assert found.p() == pytest.approx(mcnemar_mid_p(*only), abs=0.01)


def test_a_margin_moves_the_test() -> None:
    first, second = answers(1, 3, 400, 0.9), answers(2, 1, 400, 0.6)
    found = run_difference(first, second)
    assert found.p() < found.p(0.2) < found.p(found.mean) == pytest.approx(1)


def test_few_texts_that_differ_decide_nothing() -> None:
    first = np.ones((3, 50), bool)
    second = first[:1].copy()
    second[0, :4] = False
    assert run_difference(first, second).p() == pytest.approx(2**-4)
    assert run_difference(np.ones((2, 1), bool), np.zeros((1, 1), bool)).p() == 1
    assert run_difference(first, first).p() == 1


def test_one_group_decides_nothing() -> None:
    first, second = answers(1, 2, 30), answers(2, 1, 30, 0.1)
    found = run_difference(first, second, groups=[7] * 30)
    assert found.p() == 1
    assert run_bootstrap(first, second, found, groups=[7] * 30, seed=0) == (-1, 1)
    assert run_interval(first, groups=[7] * 30) == (0, 1)
    assert found.detectable(level=0.05) is None


def test_copies_of_a_text_in_a_group_make_nothing_surer() -> None:
    first, second = answers(1, 1, 40, 0.8), answers(2, 1, 40, 0.5)
    once = run_difference(first, second)
    groups = [i for i in range(40) for _ in range(5)]
    copied = np.repeat(first, 5, 1), np.repeat(second, 5, 1)
    assert run_difference(*copied, groups=groups).p() == pytest.approx(once.p())
    assert run_difference(*copied).p() < once.p()
    assert run_interval(copied[0], groups=groups) == pytest.approx(
        run_interval(first, groups=list(range(40)))
    )


def test_the_interval_is_bootstrapped_as_written_out() -> None:
    first, second = answers(1, 3, 120, 0.8), answers(2, 1, 120, 0.7)
    groups = [i // 3 for i in range(120)]
    for numbers in (None, groups):
        difference = run_difference(first, second, groups=numbers)
        found = run_bootstrap(first, second, difference, groups=numbers, seed=0)
        again = run_bootstrap(first, second, difference, groups=numbers, seed=0)
        assert found == again
        units = np.arange(120) if numbers is None else np.array(numbers)
        assert found == pytest.approx(by_hand(first, second, units, difference), abs=0.02)


def by_hand(first, second, units, difference) -> list[float]:
    draw = np.random.default_rng(1)
    places = [np.flatnonzero(units == unit) for unit in np.unique(units)]
    drawn = []
    for _ in range(4000):
        chosen = draw.integers(len(places), size=len(places))
        texts = np.concatenate([places[unit] for unit in chosen])
        runs = first[:, texts].mean(1)
        mean = runs.mean()
        mean += np.sqrt(3 / 2) * (draw.choice(runs, 3).mean() - mean)
        drawn.append(mean - second[0, texts].mean())
    ends = np.percentile(drawn, [2.5, 97.5])
    ratio = stats.t.ppf(0.975, difference.degrees) / stats.norm.ppf(0.975)
    return list(difference.mean + ratio * (ends - difference.mean))


def test_without_runs_and_groups_it_is_the_paired_bootstrap() -> None:
    first, second = answers(1, 1, 300, 0.8), answers(2, 1, 300, 0.7)
    found = run_bootstrap(first, second, run_difference(first, second), seed=0)
    plain = paired_bootstrap(first[0].tolist(), second[0].tolist(), seed=0)
    assert found == pytest.approx(plain, abs=0.01)


@pytest.mark.parametrize("runs", [2, 3])
def test_intervals_hold_the_true_difference_with_the_luck_of_few_trainings(runs: int) -> None:
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        lucky = 0.7 + 0.05 * draw.normal(size=(runs, 1))
        first, second = draw.random((runs, 150)) < lucky, draw.random((1, 150)) < 0.7
        difference = run_difference(first, second)
        low, high = run_bootstrap(first, second, difference, seed=0, rounds=500)
        held += low <= 0 <= high
    assert held >= 0.93 * 300


def test_an_accuracys_interval_is_wilsons_for_one_run_and_wider_with_luck() -> None:
    one = answers(1, 1, 200)
    assert run_interval(one) == pytest.approx(wilson_interval(int(one.sum()), 200))
    differing = np.concatenate([answers(1, 1, 200, 0.6), answers(2, 1, 200, 0.9)])
    low, high = run_interval(differing)
    assert high - low > 2 * (run_interval(one)[1] - run_interval(one)[0])
    assert run_interval(np.ones((3, 20), bool))[1] == 1
    assert run_interval(np.zeros((3, 20), bool))[0] == 0


def test_what_is_detectable_is_what_so_many_texts_need() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.random((3, 400)) < 0.75, draw.random((1, 400)) < 0.7
    found = run_difference(first, second)
    reach = stats.t.ppf(0.975, found.degrees) + stats.norm.ppf(0.8)
    assert found.detectable(level=0.05) == pytest.approx(reach * found.error)
    texts = found.texts_needed(level=0.05)
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    if texts is not None:
        error = np.sqrt(found.text_variance * 400 / texts + found.run_variance)
        assert z * error == pytest.approx(abs(found.mean), rel=0.01)
    assert found.texts_needed(found.mean, level=0.05) is None


def test_runs_that_differ_too_much_are_settled_by_no_number_of_texts() -> None:
    first = np.concatenate([answers(1, 1, 200, 0.55), answers(2, 1, 200, 0.95)])
    assert run_difference(first, answers(3, 1, 200, 0.7)).texts_needed() is None
