"""Costs from the prices of a model: per token, or per hour of a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.statistics import answers_cost, hourly_cost, training_cost

if TYPE_CHECKING:
    from tunebench.experiment import Prices


def cost_per_1000(
    prices: Prices | None, prompt_tokens: float, answer_tokens: float, seconds: float, n: int
) -> float | None:
    """The cost of 1,000 answers; None where the prices do not say.

    Args:
        prices: of the model.
        prompt_tokens: of all prompts.
        answer_tokens: of all answers.
        seconds: the time of all requests, as if they were made one after another.
        n: how many answers these were, 1 or more.
    """
    if prices is None:
        return None
    if prices.per_hour is not None:
        return hourly_cost(seconds, prices.per_hour) / n * 1000
    if prices.input is None or prices.output is None:
        return None
    return answers_cost(
        prompt_tokens, answer_tokens, n, input_price=prices.input, output_price=prices.output
    )


def cost_of_training(
    prices: Prices | None, tokens: float | None, seconds: float | None
) -> float | None:
    """The cost of a fine-tuning job; None where the prices do not say, or what they need is None.

    Args:
        prices: of the model.
        tokens: trained on, in all epochs.
        seconds: the time of the job.
    """
    if prices is None:
        return None
    if prices.per_hour is not None:
        return None if seconds is None else hourly_cost(seconds, prices.per_hour)
    if prices.training is None or tokens is None:
        return None
    return training_cost(tokens, prices.training)
