"""Prompts, and how the text of an answer is read."""

from tunebench.formatting.estimates import (
    BYTES_PER_TOKEN,
    TOKENS_PER_SECOND,
    Estimate,
    Rates,
    duration,
)
from tunebench.formatting.look_alikes import DIFFER_BY, look, shown, twins
from tunebench.formatting.prompts import (
    AnswerFormat,
    Example,
    bare_prompt,
    chat_prompt,
    check_labels,
    draw_examples,
    few_shot_prompt,
)
from tunebench.formatting.reading import Reader, ReadingRule, check_readable

__all__ = [
    "BYTES_PER_TOKEN",
    "DIFFER_BY",
    "TOKENS_PER_SECOND",
    "AnswerFormat",
    "Estimate",
    "Example",
    "Rates",
    "Reader",
    "ReadingRule",
    "bare_prompt",
    "chat_prompt",
    "check_labels",
    "check_readable",
    "draw_examples",
    "duration",
    "few_shot_prompt",
    "look",
    "shown",
    "twins",
]
