"""Prompts, and how the text of an answer is read."""

from tunebench.formatting.endings import (
    ALL_SEPARATORS,
    BLANK_PROMPTS,
    COMPLETION_ENDINGS,
    LAST_SEPARATOR,
    SEPARATORS,
    common_beginning,
    common_ending,
    is_separator,
    separator_of,
    stands_before_the_end,
)
from tunebench.formatting.estimates import (
    BYTES_PER_TOKEN,
    TOKENS_PER_SECOND,
    Estimate,
    Rates,
    duration,
)
from tunebench.formatting.look_alikes import DIFFER_BY, look, shown, twins
from tunebench.formatting.marks import lacks_separator, without_marks
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
from tunebench.formatting.shortening import Keep, shortened

__all__ = [
    "ALL_SEPARATORS",
    "BLANK_PROMPTS",
    "BYTES_PER_TOKEN",
    "COMPLETION_ENDINGS",
    "DIFFER_BY",
    "LAST_SEPARATOR",
    "SEPARATORS",
    "TOKENS_PER_SECOND",
    "AnswerFormat",
    "Estimate",
    "Example",
    "Keep",
    "Rates",
    "Reader",
    "ReadingRule",
    "bare_prompt",
    "chat_prompt",
    "check_labels",
    "check_readable",
    "common_beginning",
    "common_ending",
    "draw_examples",
    "duration",
    "few_shot_prompt",
    "is_separator",
    "lacks_separator",
    "look",
    "separator_of",
    "shortened",
    "shown",
    "stands_before_the_end",
    "twins",
    "without_marks",
]
