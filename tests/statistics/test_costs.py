import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.statistics import (
    answers_cost,
    break_even,
    cost_per_additional_correct,
    hourly_cost,
    training_cost,
)

tokens = st.integers(0, 10**9)
prices = st.integers(0, 10_000).map(lambda cents: cents / 100)
bad = pytest.mark.parametrize("number", [-1, -1e-9, math.nan, math.inf, -math.inf])


def test_a_thousand_answers():
    # 100 answers of 400 prompt tokens and 1 completion token each, at 0.15 and 0.60.
    cost = answers_cost(40_000, 100, 100, input_price=0.15, output_price=0.6)
    assert cost == pytest.approx(1000 * (400 * 0.15 + 1 * 0.6) / 1e6)


@given(prompt=tokens, completion=tokens, n=st.integers(1, 10**6), price=prices)
def test_equal_prices_charge_the_sum_of_the_tokens(prompt, completion, n, price):
    cost = answers_cost(prompt, completion, n, input_price=price, output_price=price)
    assert cost == pytest.approx((prompt + completion) / n * price / 1000, rel=1e-9)


@given(prompt=tokens, completion=tokens, n=st.integers(1, 1000), times=st.integers(1, 9))
def test_the_cost_of_a_thousand_does_not_depend_on_how_many_were_asked(
    prompt, completion, n, times
):
    paid = {"input_price": 0.15, "output_price": 0.6}
    assert answers_cost(prompt * times, completion * times, n * times, **paid) == pytest.approx(
        answers_cost(prompt, completion, n, **paid), rel=1e-9
    )


def test_free_answers_cost_nothing():
    assert answers_cost(10, 10, 1, input_price=0, output_price=0) == 0
    assert answers_cost(0, 0, 1, input_price=3, output_price=3) == 0


@bad
@pytest.mark.parametrize(
    "name", ["prompt_tokens", "completion_tokens", "input_price", "output_price"]
)
def test_answers_refuse_what_is_no_amount(name, number):
    amounts = dict.fromkeys(
        ["prompt_tokens", "completion_tokens", "input_price", "output_price"], 1.0
    )
    with pytest.raises(ValueError, match=f"{name} is {number}; it must be a finite number"):
        answers_cost(n=1, **(amounts | {name: number}))


@pytest.mark.parametrize("n", [0, -1])
def test_no_answers_have_no_cost(n):
    with pytest.raises(ValueError, match=f"n must be 1 or more, not {n}"):
        answers_cost(1, 1, n, input_price=1, output_price=1)


def test_an_hour_costs_its_price():
    assert hourly_cost(3600, 1.5) == 1.5
    assert hourly_cost(90, 2) == pytest.approx(0.05)
    assert hourly_cost(0, 2) == 0


def test_a_million_trained_tokens_cost_their_price():
    assert training_cost(1_000_000, 3) == 3
    assert training_cost(123_456, 25) == pytest.approx(3.0864)


@bad
@pytest.mark.parametrize("function", [hourly_cost, training_cost])
def test_time_and_training_refuse_what_is_no_amount(function, number):
    for arguments in ((number, 1), (1, number)):
        with pytest.raises(ValueError, match="it must be a finite number, 0 or more"):
            function(*arguments)


def test_what_one_more_right_answer_costs():
    # 1,000 answers give 50 more right ones and cost 2 more.
    assert cost_per_additional_correct(2, 0.05) == pytest.approx(0.04)
    assert cost_per_additional_correct(-2, 0.05) == pytest.approx(-0.04)
    assert cost_per_additional_correct(0, 1) == 0


@pytest.mark.parametrize("uplift", [0, -0.1, -1])
def test_without_an_uplift_no_answer_is_gained(uplift):
    assert cost_per_additional_correct(2, uplift) is None


@pytest.mark.parametrize("uplift", [1.01, -1.01, math.nan, math.inf])
def test_what_is_no_uplift_is_refused(uplift):
    with pytest.raises(ValueError, match=r"uplift is .*; it must be between -1 and 1"):
        cost_per_additional_correct(2, uplift)


@pytest.mark.parametrize("difference", [math.nan, math.inf])
def test_what_is_no_difference_is_refused(difference):
    with pytest.raises(ValueError, match="cost_difference is"):
        cost_per_additional_correct(difference, 0.1)


@given(training=st.integers(0, 10**6), prompted=st.integers(0, 1000), tuned=st.integers(0, 1000))
def test_training_is_paid_back_at_the_first_request_that_makes_it_no_dearer(
    training, prompted, tuned
):
    requests = break_even(training / 100, prompted / 100, tuned / 100)
    if requests is None:
        assert tuned > prompted or (tuned == prompted and training > 0)
        return
    assert training + requests * tuned <= requests * prompted
    if requests > 0:
        before = requests - 1
        assert training + before * tuned > before * prompted


def test_decimals_are_taken_as_written():
    # In floats 1 / (0.3 - 0.2) is 10.000000000000002.
    assert break_even(1, 0.3, 0.2) == 10


def test_free_training_is_paid_back_at_once_or_never():
    assert break_even(0, 0.3, 0.2) == break_even(0, 0.2, 0.2) == 0
    assert break_even(0, 0.2, 0.3) is None
    assert break_even(1, 0.2, 0.2) is None


@bad
@pytest.mark.parametrize("position", [0, 1, 2])
def test_break_even_refuses_what_is_no_amount(position, number):
    costs = [1.0, 1.0, 1.0]
    costs[position] = number
    with pytest.raises(ValueError, match="it must be a finite number, 0 or more"):
        break_even(*costs)
