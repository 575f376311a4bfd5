"""The steps of a preparation: each looks at the rows and may propose one change.

A step sees the rows as the steps before it have left them, so that a change never rests on rows
that are gone.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tunebench.training_data import analysis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunebench.training_data.analysis import Task
    from tunebench.training_data.rows import Rows

LONGEST = 10_000  # characters of a prompt and its completion
LONGEST_KEPT_PREFIX = 12  # characters; a longer beginning of all prompts is an instruction
SHORTEST_CUT_PREFIX = 5  # characters; the same of completions
_REMEMBERED = 4096  # texts


@dataclass(frozen=True)
class Settings:
    """The user's decisions.

    Attributes:
        task: the task that the rows teach; None to infer it.
        separator: the end that each prompt must have; None to choose one that no prompt holds.
    """

    task: Task | None = None
    separator: str | None = None

    def task_of(self, rows: Rows) -> Task:
        """The task, given or inferred."""
        return self.task or analysis.infer_task(rows)


@dataclass(frozen=True)
class Proposal:
    """A change that a step proposes.

    Attributes:
        step: the step's name, for scripts.
        found: the finding, in one sentence.
        action: the change, a clause without a full stop.
        apply: makes the change.
        necessary: whether it is made without asking.
    """

    step: str
    found: str
    action: str
    apply: Callable[[], None]
    necessary: bool = False


def _drop(
    step: str, what: str, rows: Rows, kept: Sequence[bool], *, necessary: bool = False
) -> Proposal | None:
    dropped = [place for place, stays in zip(rows.places, kept, strict=True) if not stays]
    if not dropped:
        return None
    one = len(dropped) == 1
    places = ", ".join(map(str, dropped[:5])) + (", …" if len(dropped) > 5 else "")
    found = f"{len(dropped)} {'row' if one else 'rows'} {what} ({rows.unit} {places})."
    action = "drop it" if one else f"drop the {len(dropped)} rows"
    return Proposal(step, found, action, lambda: rows.keep(kept), necessary)


def _edit(
    step: str, found: str, action: str, texts: list[str], change: Callable[[str], str]
) -> Proposal:
    def apply() -> None:
        changed = lru_cache(_REMEMBERED)(change)  # results of frequent texts are one object
        for position, text in enumerate(texts):
            texts[position] = changed(text)

    return Proposal(step, found, action, apply)


def empty_rows(rows: Rows, settings: Settings) -> Proposal | None:
    """Drop rows with nothing to learn: no completion, or no prompt where others have one."""
    needs_prompt = rows.chat is None and settings.task_of(rows) != "open-ended"
    kept = [
        bool(completion.strip()) and not (needs_prompt and prompt.strip() in analysis.BLANK_PROMPTS)
        for prompt, completion in zip(rows.prompts, rows.completions, strict=True)
    ]
    return _drop("empty", "without a prompt or a completion", rows, kept, necessary=True)


def duplicates(rows: Rows, _: Settings) -> Proposal | None:
    """Drop all but the first of equal rows."""
    first: dict[tuple[str, str], int] = {}
    pairs = enumerate(zip(rows.prompts, rows.completions, strict=True))
    kept = [first.setdefault(pair, position) == position for position, pair in pairs]
    return _drop("duplicates", "repeated", rows, kept)


def long_rows(rows: Rows, settings: Settings) -> Proposal | None:
    """Drop rows that are longer than a model reads."""
    if settings.task_of(rows) == "open-ended":
        return None
    separators = (settings.separator or analysis.SEPARATORS[0], *analysis.ALL_SEPARATORS)
    kept = [
        len(prompt) + len(completion) <= LONGEST
        or _own_length(prompt, separators) + _own_length(completion, analysis.COMPLETION_ENDINGS)
        <= LONGEST
        for prompt, completion in zip(rows.prompts, rows.completions, strict=True)
    ]
    return _drop("long", f"of more than {LONGEST} characters", rows, kept)


def _own_length(text: str, endings: Sequence[str]) -> int:
    """Characters without the ending and the space that a preparation adds."""
    ending = next((ending for ending in endings if text.endswith(ending)), "")
    return len(text) - len(ending) - text.startswith(" ")


def upper_prompts(rows: Rows, _: Settings) -> Proposal | None:
    """Lower the prompts' case."""
    return _lower("prompt", rows.prompts)


def upper_completions(rows: Rows, _: Settings) -> Proposal | None:
    """Lower the completions' case."""
    return _lower("completion", rows.completions)


def _lower(column: str, texts: list[str]) -> Proposal | None:
    if not analysis.mostly_upper(texts):
        return None
    found = (
        f"More than a third of the {column}s' letters are capitals, which models read less well."
    )
    return _edit(f"upper_{column}s", found, f"put all {column}s in lower case", texts, str.lower)


def separator(rows: Rows, settings: Settings) -> Proposal | None:
    """End each prompt with a separator."""
    texts, given = rows.prompts, settings.separator
    if settings.task_of(rows) == "open-ended":
        return None
    if given is not None:
        if all(text.endswith(given) for text in texts):
            return None
        found = f"Not all prompts end with {json.dumps(given)}."
    else:
        if analysis.is_separator(analysis.common_ending(texts), texts):
            return None
        found = "The prompts have no common separator at their end, where the completion begins."
    end = _unused_separator(texts) if given is None else given
    there = given or ""  # some prompts may end with it already
    action = f"add {json.dumps(end)} to the prompts"
    return _edit("separator", found, action, texts, lambda text: text.removesuffix(there) + end)


def _unused_separator(texts: Sequence[str]) -> str:
    for candidate in analysis.SEPARATORS:
        # An arrow in the line is for texts of one line.
        if candidate == analysis.SEPARATORS[0] and any("\n" in text for text in texts):
            continue
        if not any(candidate in text for text in texts):
            return candidate
    return analysis.LAST_SEPARATOR


def prompt_prefix(rows: Rows, _: Settings) -> Proposal | None:
    """Cut an instruction that all prompts begin with."""
    shared = analysis.common_beginning(rows.prompts)
    # A word that all texts happen to begin with belongs to them.
    shared = shared.rstrip("".join(c for c in set(shared) if c.isalnum()))
    if len(shared) <= LONGEST_KEPT_PREFIX or any(
        text[len(shared) :].strip() in analysis.BLANK_PROMPTS for text in rows.prompts
    ):
        return None
    start = json.dumps(shared, ensure_ascii=False)
    found = f"All prompts begin with {start}, which a fine-tuned model does not need."
    cut = "cut it from the prompts"
    return _edit("prompt_prefix", found, cut, rows.prompts, lambda text: text[len(shared) :])


def completion_prefix(rows: Rows, _: Settings) -> Proposal | None:
    """Cut the common beginning of all completions, except a space."""
    texts = rows.completions
    shared = analysis.common_beginning(texts)
    if len(shared) < SHORTEST_CUT_PREFIX or not all(t[len(shared) :].strip() for t in set(texts)):
        return None
    space = " " if shared.startswith(" ") else ""
    start = json.dumps(shared, ensure_ascii=False)
    found = f"All completions begin with {start}, so it distinguishes none."
    cut = "cut it from the completions"
    return _edit("completion_prefix", found, cut, texts, lambda text: space + text[len(shared) :])


def completion_ending(rows: Rows, settings: Settings) -> Proposal | None:
    """End each generated completion so that a model knows where to stop."""
    texts = rows.completions
    if settings.task_of(rows) != "generation":
        return None
    ending = analysis.common_ending(texts)
    if ending and not analysis.stands_before_the_end(ending, texts):
        return None
    numbered = (f" [END{i or ''}]" for i in itertools.count())
    end = next(
        candidate
        for candidate in itertools.chain(analysis.COMPLETION_ENDINGS, numbered)
        if not any(candidate in text for text in texts)
    )
    found = "The completions have no ending of their own, at which to stop."
    action = f"add {json.dumps(end)} to the completions"
    return _edit("completion_ending", found, action, texts, lambda text: text + end)


def leading_space(rows: Rows, _: Settings) -> Proposal | None:
    """Begin each completion with a space, as a word does within a line."""
    texts = rows.completions
    if all(text.startswith(" ") for text in texts):
        return None
    found = "Not all completions begin with a space, as words do to a tokenizer."
    put = "put a space before them"
    return _edit("leading_space", found, put, texts, lambda text: f" {text.removeprefix(' ')}")


COMPLETION_STEPS = (
    empty_rows,
    duplicates,
    long_rows,
    upper_prompts,
    upper_completions,
    separator,
    prompt_prefix,
    completion_prefix,
    completion_ending,
    leading_space,
)
CHAT_STEPS = (empty_rows, duplicates)
