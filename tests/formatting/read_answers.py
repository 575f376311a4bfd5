"""Answers read by the reading rules."""

from tunebench.formatting.prompts import AnswerFormat
from tunebench.formatting.reading import Reader

ALL = ("exact", "casefolded", "json", "mentioned")
SENTIMENT = ("Negative", "Positive")
THOUGHTS = (
    ("<think>", "</think>"),
    ("<THINK>\n", "\n</Think>\n\n"),
    ("", "</think>"),  # the template of the chat began it
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|channel|>final <|constrain|>json<|message|>"),
)


def read(text, labels=SENTIMENT, rules=ALL, **how):
    """The label id that a text states, or None, and how it was read."""
    return Reader(AnswerFormat.of_chat(labels), rules).read(text, **how)
