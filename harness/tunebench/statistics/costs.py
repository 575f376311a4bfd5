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
    """The cost of 1,000 answers at a price per token.

    Args:
        prompt_tokens: tokens of all `n` prompts.
        completion_tokens: tokens of all `n` completions.
        n: number of answers, 1 or more.
        input_price: price of a million prompt tokens.
        output_price: price of a million completion tokens.

    Returns:
        The cost of 1,000 answers like these, in the currency of the prices.

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

    Args:
        seconds: how long it worked, in seconds.
        per_hour: its price per hour.

    Returns:
        The cost of that time, in the currency of the price.

    Raises:
        ValueError: a number is negative, NaN or infinite.
    """
    _check(seconds=seconds, per_hour=per_hour)
    return seconds / 3600 * per_hour


def training_cost(trained_tokens: float, price: float) -> float:
    """The cost of a fine-tuning job at a price per token; for a price per hour see `hourly_cost`.

    Args:
        trained_tokens: the trained tokens that the provider reports, over all epochs.
        price: price of a million trained tokens.

    Returns:
        The cost of the job, in the currency of the price.

    Raises:
        ValueError: a number is negative, NaN or infinite.
    """
    _check(trained_tokens=trained_tokens, price=price)
    return trained_tokens * price / _MILLION


def cost_per_additional_correct(cost_difference: float, uplift: float) -> float | None:
    """The cost of each additional right answer, with one cell instead of another.

    Args:
        cost_difference: the cost of 1,000 answers of the one minus that of the other.
        uplift: the accuracy of the one minus that of the other, between -1 and 1.

    Returns:
        The cost of one additional right answer, in the currency of the difference; negative if
        the one is more accurate and cheaper. None if it is not more accurate.

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

    It saves by cheaper requests, because its prompt has no worked examples. The gain in accuracy is
    not counted.

    Args:
        training_cost: cost of the fine-tuning job.
        cost_per_request_prompted: cost of one request to the prompted model. All three costs are
            in one currency, and both requests are for the same number of texts.
        cost_per_request_tuned: cost of one request to the fine-tuned model.

    Returns:
        The smallest number of requests at which training and fine-tuned requests together cost no
        more than prompted ones; 0 if training is free and a fine-tuned request no more expensive.
        None if that never happens.

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
