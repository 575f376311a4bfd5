"""What providers say: each answer is checked and read here before anything else sees it."""

from harness.wire.answers import (
    Answer,
    Answers,
    Asked,
    Usage,
    composed,
    other_model,
    read_answers,
    read_tokens,
    stored_choice,
)
from harness.wire.decoding import decoded
from harness.wire.values import Unusable, optional_name, parsed, words

__all__ = [
    "Answer",
    "Answers",
    "Asked",
    "Unusable",
    "Usage",
    "composed",
    "decoded",
    "optional_name",
    "other_model",
    "parsed",
    "read_answers",
    "read_tokens",
    "stored_choice",
    "words",
]
