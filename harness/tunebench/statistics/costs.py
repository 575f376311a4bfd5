"""What answers and training cost, and when fine-tuning pays.

Any one currency; nothing is rounded. Prices by the token are for a million tokens.
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
    """What 1,000 answers cost at a price by the token.

    Args:
        prompt_tokens: tokens of all `n` prompts.
        completion_tokens: tokens of all `n` completions.
        n: how many answers these tokens were for, 1 or more.
        input_price: of a million prompt tokens.
        output_price: of a million completion tokens.

    Returns:
        The cost of 1,000 answers like these, in the prices' currency.

    Raises:
        ValueError: `n` is below 1, or a number is negative, NaN or infinite.
    """
    if n < 1:
        raise ValueError(f"{n} answers have no cost; there has to be one or more")
    _check(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        input_price=input_price,
        output_price=output_price,
    )
    spent = (prompt_tokens * input_price + completion_tokens * output_price) / _MILLION
    return spent / n * 1000


def hourly_cost(seconds: float, per_hour: float) -> float:
    """What a rented machine costs for a time, be it of training or of all requests.

    Args:
        seconds: how long it worked, seconds; of latencies in milliseconds, their sum / 1000.
        per_hour: its price by the hour.

    Returns:
        The cost of that time in the price's currency: of 1,000 answers, this / answers * 1000.

    Raises:
        ValueError: a number is negative, NaN or infinite.
    """
    _check(seconds=seconds, per_hour=per_hour)
    return seconds / 3600 * per_hour


def training_cost(trained_tokens: float, price: float) -> float:
    """What a fine-tuning job costs at a price by the token.

    Args:
        trained_tokens: the tokens that the provider counted, over all epochs.
        price: of a million trained tokens.

    Returns:
        The job's cost in the price's currency. By the hour, `hourly_cost` gives it.

    Raises:
        ValueError: a number is negative, NaN or infinite.
    """
    _check(trained_tokens=trained_tokens, price=price)
    return trained_tokens * price / _MILLION


def cost_per_additional_correct(cost_difference: float, uplift: float) -> float | None:
    """What one more right answer costs with one cell instead of another.

    Args:
        cost_difference: how much more 1,000 answers cost with the one; negative where they cost
            less.
        uplift: its accuracy minus the other's, between -1 and 1.

    Returns:
        The cost of one additional right answer, in the difference's currency; negative where it
        is right more often and costs less. None where it is not right more often.

    Raises:
        ValueError: the difference is NaN or infinite, or the uplift is not between -1 and 1.
    """
    if not isfinite(cost_difference):
        raise ValueError(f"cost_difference is {cost_difference}; it has to be a finite number")
    if not -1 <= uplift <= 1:
        raise ValueError(f"uplift is {uplift}; it has to lie between -1 and 1")
    return cost_difference / (1000 * uplift) if uplift > 0 else None


def break_even(
    training_cost: float, cost_per_request_prompted: float, cost_per_request_tuned: float
) -> int | None:
    """After how many requests a fine-tuned model has paid its training back.

    It pays by cheaper requests: its prompt carries no worked examples. What it gains in accuracy
    is not counted.

    Args:
        training_cost: of the fine-tuning job.
        cost_per_request_prompted: of one request to the prompted model; all three are in one
            currency, and both requests are for equally many texts.
        cost_per_request_tuned: of one request to the fine-tuned model.

    Returns:
        The smallest number of requests with which training and fine-tuned requests cost no more
        than prompted ones; 0 where training is free and a fine-tuned request not dearer. None
        means never: a fine-tuned request is dearer, or as dear while training is not free.

    Raises:
        ValueError: a number is negative, NaN or infinite.
    """
    _check(
        training_cost=training_cost,
        cost_per_request_prompted=cost_per_request_prompted,
        cost_per_request_tuned=cost_per_request_tuned,
    )
    # By the decimals as written: in floats 0.3 - 0.2 is below 0.1, which can add a request.
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
            raise ValueError(f"{name} is {number}; it has to be a finite number, 0 or more")
