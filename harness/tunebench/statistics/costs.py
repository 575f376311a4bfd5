"""Costs of answers and training, and when fine-tuning pays for itself.

All amounts are in one currency, whichever; nothing is rounded. Token prices are per million tokens.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, isfinite

_MILLION = 1_000_000


def answers_cost(
    prompt_tokens: float,
    completion_tokens: float,
    n: int,
    *,
    input_price: float,
    output_price: float,
) -> float:
    """The cost of 1,000 answers like these `n`, at a price per token.

    Raises:
        ValueError: `n` is below 1, or a number is negative, NaN or infinite.
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more, not {n}")
    _check(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        input_price=input_price,
        output_price=output_price,
    )
    spent = (prompt_tokens * input_price + completion_tokens * output_price) / _MILLION
    return spent / n * 1000


def hourly_cost(seconds: float, per_hour: float) -> float:
    """The cost of a machine that is paid per hour.

    Raises:
        ValueError: a number is negative, NaN or infinite.
    """
    _check(seconds=seconds, per_hour=per_hour)
    return seconds / 3600 * per_hour


def training_cost(trained_tokens: float, price: float) -> float:
    """The cost of a fine-tuning job at a price per token; for a price per hour see `hourly_cost`.

    Raises:
        ValueError: a number is negative, NaN or infinite.
    """
    _check(trained_tokens=trained_tokens, price=price)
    return trained_tokens * price / _MILLION


def cost_per_additional_correct(cost_difference: float, uplift: float) -> float | None:
    """The cost of each additional right answer, with one cell instead of another.

    Both are the one's minus the other's, and `cost_difference` is that of 1,000 answers. The result
    is negative if the one is more accurate and cheaper, and None if it is not more accurate.

    Raises:
        ValueError: the difference is NaN or infinite, or the uplift is not between -1 and 1.
    """
    if not isfinite(cost_difference):
        raise ValueError(f"cost_difference is {cost_difference}; it must be a finite number")
    if not -1 <= uplift <= 1:
        raise ValueError(f"uplift is {uplift}; it must be between -1 and 1")
    return cost_difference / (1000 * uplift) if uplift > 0 else None


def break_even(
    training_cost: float, cost_per_request_prompted: float, cost_per_request_tuned: float
) -> int | None:
    """The number of requests after which a fine-tuned model has paid for its training.

    Both requests are for the same number of texts. It is 0 if training is free and a fine-tuned
    request no more expensive, and None if that never happens.

    It saves by cheaper requests, because its prompt has no worked examples. The gain in accuracy is
    not counted.

    Raises:
        ValueError: a number is negative, NaN or infinite.
    """
    _check(
        training_cost=training_cost,
        cost_per_request_prompted=cost_per_request_prompted,
        cost_per_request_tuned=cost_per_request_tuned,
    )
    # Exact decimals: in floats 0.3 - 0.2 is below 0.1, which can add a request.
    training, prompted, tuned = (
        Fraction(str(float(x)))
        for x in (training_cost, cost_per_request_prompted, cost_per_request_tuned)
    )
    saved = prompted - tuned
    if saved > 0:
        return ceil(training / saved)
    return 0 if saved == 0 and training == 0 else None


def _check(**numbers: float) -> None:
    for name, number in numbers.items():
        if not (isfinite(number) and number >= 0):
            raise ValueError(f"{name} is {number}; it must be a finite number, 0 or more")
