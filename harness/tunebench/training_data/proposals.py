"""Proposals, and the steps that drop rows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.training_data import analysis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunebench.training_data.analysis import Task
    from tunebench.training_data.rows import Rows

LONGEST = 10_000  # characters of a prompt and its completion


@dataclass(frozen=True)
class Settings:
    """What the user has decided beforehand.

    Attributes:
        task: what the rows teach; None to infer it from them.
        separator: what each prompt shall end with; None to choose one that no prompt holds.
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
        found: what was found, in one sentence.
        action: what will be done about it, without a full stop.
        apply: does it.
        necessary: it is done without asking.
    """

    step: str
    found: str
    action: str
    apply: Callable[[], None]
    necessary: bool = False


def _drop(step: str, what: str, rows: Rows, kept: bytearray, necessary: bool) -> Proposal | None:
    n = kept.count(0)
    if not n:
        return None
    places = list(itertools.islice((i for i, flag in enumerate(kept) if not flag), 5))
    named = ", ".join(str(rows.lines[i]) for i in places) + (", …" if n > len(places) else "")
    found = f"{n} {'row' if n == 1 else 'rows'} {what} (line {named})."
    action = "drop it" if n == 1 else f"drop the {n} rows"
    return Proposal(step, found, action, lambda: rows.keep(kept), necessary)


def empty_rows(rows: Rows, settings: Settings) -> Proposal | None:
    """Drop rows with nothing to learn: no completion, or no prompt where others have one."""
    # Most completions are seen before; only new ones are looked at.
    blank = {c for c in set(rows.completions) if not c.strip()}
    kept = bytearray(completion not in blank for completion in rows.completions)
    if rows.chat is None and settings.task_of(rows) != "open-ended":
        said = bytearray(prompt.strip() not in analysis.NOTHING for prompt in rows.prompts)
        kept = bytearray(a & b for a, b in zip(kept, said, strict=True))
    return _drop("empty", "without a prompt or a completion", rows, kept, necessary=True)


def duplicates(rows: Rows, _: Settings) -> Proposal | None:
    """Drop all but the first of equal rows."""
    return _drop("duplicates", "said before", rows, analysis.firsts(rows), necessary=False)


def long_rows(rows: Rows, settings: Settings) -> Proposal | None:
    """Drop rows that are longer than a model reads."""
    if settings.task_of(rows) == "open-ended":
        return None
    separators = (settings.separator or analysis.SEPARATORS[0], *analysis.ALL_SEPARATORS)
    kept = bytearray(
        len(prompt) + len(completion) <= LONGEST  # bytes: no fewer than characters
        or _own_length(prompt.decode(), separators)
        + _own_length(completion.decode(), analysis.COMPLETION_ENDINGS)
        <= LONGEST
        for prompt, completion in zip(rows.prompts, rows.completions, strict=True)
    )
    return _drop("long", f"of more than {LONGEST} characters", rows, kept, necessary=False)


def _own_length(text: str, endings: Sequence[str]) -> int:
    """Characters without the ending and the space that a preparation adds."""
    ending = next((ending for ending in endings if text.endswith(ending)), "")
    return len(text) - len(ending) - text.startswith(" ")
