"""Prompts, and how a completion becomes a label.

The format is that of the experiment which this project rebuilds: an instruction, worked
examples and the text, separated by lines of five number signs, each text followed by an arrow::

    Classify following sentence as Positive or Negative
    #####
    a worked example -> Positive
    #####
    the text ->

The prompt of a fine-tuned model is the bare prompt, ``the text ->``.

A chat gets the same parts as messages: the instruction as the system's, each worked example as a
turn of the user (the text as it is) and one of the assistant (the label), then the text. There a
fine-tuned model gets the instruction, too, as in its training file.

The format is unambiguous except that a *text* may itself hold a line ``#####``. Such a line is
escaped with a backslash (and one that is already escaped with one more), so that two different
lists of examples and texts never give the same prompt. Labels and instructions that would be
ambiguous are refused: the experiment's author can change them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.errors import ExperimentError
from tunebench.formatting.look_alikes import DIFFER_BY, look, shown, twins

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import pandas as pd

# The prompt of a chat: its messages, each with a role and a content.
Messages = list[dict[str, str]]

ARROW = " ->"
SEPARATOR = "#####"
_SEPARATOR_LINE = re.compile(r"^(\\*#####)$", re.MULTILINE)
_NO_ENDING = re.compile(r" |[^\w\s]?\d|.*\d\Z")


@dataclass(frozen=True)
class Example:
    """A worked example: a training row shown in the prompt."""

    item: str
    text: str
    label: str


def escape(text: str) -> str:
    r"""Put a backslash before each line that could be read as the separator.

    Lines end with ``\n`` only. ``#####`` becomes ``\#####``, ``\#####`` becomes
    ``\\#####``; every other text is unchanged.
    """
    if SEPARATOR not in text:
        return text
    return _SEPARATOR_LINE.sub(r"\\\1", text)


def few_shot_prompt(instruction: str, examples: Iterable[Example], text: str) -> str:
    """The prompt of a model that is not fine-tuned: zero-, one- or few-shot by its examples."""
    blocks = [instruction]
    blocks += [f"{escape(example.text)}{ARROW} {example.label}" for example in examples]
    blocks.append(bare_prompt(escape(text)))
    return f"\n{SEPARATOR}\n".join(blocks)


def bare_prompt(text: str) -> str:
    """The prompt of a fine-tuned model: the text and the arrow, as in its training file."""
    return text + ARROW


def chat_prompt(instruction: str, examples: Iterable[Example], text: str) -> Messages:
    """The messages of a chat: zero-, one- or few-shot by the number of examples."""
    turns = [("system", instruction)]
    for example in examples:
        turns += [("user", example.text), ("assistant", example.label)]
    turns.append(("user", text))
    return [{"role": role, "content": content} for role, content in turns]


def check_labels(labels: Sequence[str], instruction: str) -> None:
    """Refuse labels and instructions with which prompts or completions would be ambiguous.

    Raises:
        ExperimentError: fewer than two labels, a repeated one, one that is invisible, starts or
            ends with white space, or holds a line break, a tab or ``->``; two that look alike or
            differ by case or spaces alone; an instruction with a separator line.
    """
    if len(labels) < 2:
        problem = f"a task needs two labels or more, not {len(labels)}"
        raise ExperimentError(problem, hint="list them all")
    for position, label in enumerate(labels):
        if label in labels[:position]:
            raise ExperimentError(f"the label {label!r} is listed twice", hint="list each once")
        marks = set("\n\r\t") & set(label) or "->" in label
        if not look(label) or label != label.strip() or marks:
            raise ExperimentError(
                f"the label {label!r} cannot be used",
                hint="a label is not empty, has no white space around it, no line break, no tab "
                "and no '->' in it",
            )
    if alike := twins(labels, lambda label: look(label).replace(" ", "").casefold()):
        one, other = alike
        both = f"{shown(one, other)} and {shown(other, one)}"
        problem = f"the labels {both} differ only by case, {DIFFER_BY}"
        raise ExperimentError(problem, hint="rename one of them")
    if _SEPARATOR_LINE.search(instruction):
        problem = f"the instruction holds a line {SEPARATOR!r}, which separates parts of a prompt"
        raise ExperimentError(problem, hint="take it out")


@dataclass(frozen=True)
class AnswerFormat:
    """Parameters of a request, and when its answer states a label exactly.

    Attributes:
        labels: the label names; a label's position is its id.
        ending: what all labels end with; sent as ``stop`` and put back when reading. Empty when
            they have no common ending; the end of the line stops the answer then.
        lead: the text between the prompt and the label: a space, or nothing in a chat, where the
            label begins the assistant's turn.
    """

    labels: tuple[str, ...]
    ending: str
    lead: str = " "

    @classmethod
    def of(cls, labels: Sequence[str]) -> AnswerFormat:
        """The format that follows from the labels, e.g. the ending ``tive`` of Posi|Nega|tive."""
        return cls(tuple(labels), _common_ending(labels))

    @classmethod
    def of_chat(cls, labels: Sequence[str]) -> AnswerFormat:
        """The format of a chat: the label and nothing else, without a common ending."""
        return cls(tuple(labels), "", "")

    @property
    def stop(self) -> list[str]:
        """The ``stop`` parameter."""
        return [self.ending or "\n"]

    def max_tokens(self, label_tokens: Iterable[int] | None = None) -> int:
        """The ``max_tokens`` parameter: as many tokens as the longest label has.

        Args:
            label_tokens: the number of tokens of each completion, where the provider counts
                them; otherwise the labels' length in bytes, which their tokens cannot exceed.
                ``stop`` ends the answer before that.
        """
        if label_tokens is None:
            label_tokens = (len(self.completion(label).encode()) for label in self.labels)
        return max(label_tokens)

    def completion(self, label: str) -> str:
        """The completion that states a label: the label behind a space, in a chat the label."""
        return f"{self.lead}{label}"

    def read(self, completion: str) -> int | None:
        """The label id that a completion states, or None if it states no label.

        The common ending, at which the answer was stopped, is put back unless it is there; spaces
        are dropped; the rest must equal a label exactly.
        """
        answer = completion.replace(" ", "").strip("\r\n\t")
        bare = [label.replace(" ", "") for label in self.labels]
        if answer in bare:
            return bare.index(answer)
        stopped = answer + self.ending.replace(" ", "")
        return bare.index(stopped) if self.ending and stopped in bare else None

    def label_of_token(self, token: str) -> int | None:
        """The label whose completion begins with a token, or None if none or several do.

        A token that is the whole of one label is that label, also where another label begins
        with it.
        """
        if not token.strip():
            return None
        # In a chat the template may leave the space between the turns to the answer.
        token = token if self.lead else token.removeprefix(" ")
        wholes = [self.completion(label) for label in self.labels]
        if token in wholes:
            return wholes.index(token)
        begun = [i for i, whole in enumerate(wholes) if whole.startswith(token)]
        return begun[0] if len(begun) == 1 else None


def _common_ending(labels: Sequence[str]) -> str:
    """The longest common ending that leaves something of each label and occurs nowhere else in it.

    A stem must remain, or an empty answer would be read as a label, and the stem must not be
    another label. The ending must not occur earlier in a label, or the answer would be stopped
    there; nor begin with a space, at which the answer would be stopped before its first word ends;
    nor begin or end within a number, or "100" would be stopped at its first 0 and read as the label
    10.
    """
    bare = {label.replace(" ", "") for label in labels}
    ending = min(labels, key=len)
    while not all(label.endswith(ending) for label in labels):
        ending = ending[1:]
    while ending and any(
        _NO_ENDING.match(ending)
        or label.removesuffix(ending).replace(" ", "") in {"", *bare}
        or f" {label}".index(ending) != len(label) + 1 - len(ending)
        for label in labels
    ):
        ending = ending[1:]
    return ending


def draw_examples(
    train: pd.DataFrame,
    labels: Sequence[str],
    shots: int,
    *,
    seed: int,
    test_texts: Collection[str],
) -> tuple[Example, ...]:
    """Draw worked examples from the training rows.

    Rows are sorted by ``sha256(f"{seed}:{item}")``, without those whose text is among the test
    texts or came before. Then, `shots` times, the first row left whose class is among the least
    drawn is taken. So classes differ by at most one, the draw for k examples begins with that for
    k - 1, and rows added later move few others.

    Raises:
        ExperimentError: the training rows do not hold enough examples of a class.
    """
    if shots == 0:
        return ()
    drawn: list[Example] = []
    counts = [0] * len(labels)
    rows = sorted(
        zip(train["item"], train["text"], train["label"], strict=True),
        key=lambda row: hashlib.sha256(f"{seed}:{row[0]}".encode()).digest(),
    )
    seen = set(test_texts)
    while len(drawn) < shots:
        least = min(counts)
        for item, text, label in rows:  # noqa: B007 - used after the loop
            if counts[label] == least and text not in seen:
                break
        else:
            missing = ", ".join(repr(labels[i]) for i, n in enumerate(counts) if n == least)
            problem = f"{shots} worked examples cannot be drawn evenly: the training rows hold "
            problem += f"only {least} usable of {missing}"
            raise ExperimentError(problem, hint="use fewer, or add training rows")
        seen.add(text)
        counts[label] += 1
        drawn.append(Example(item, text, labels[label]))
    return tuple(drawn)
