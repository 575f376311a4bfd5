"""An experiment's TOML file, read, and what is wrong with it in a sentence."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tunebench.errors import ExperimentError, did_you_mean
from tunebench.experiment.schema import (
    ExperimentFile,
    FineTuning,
    Matrix,
    Model,
    Prices,
    Provider,
    Skip,
    Task,
    Threshold,
)
from tunebench.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydantic_core import ErrorDetails


def read_file(path: Path) -> ExperimentFile:
    """Read the file and check each table on its own.

    Raises:
        ExperimentError: the file is missing, is no TOML, or has an unknown or missing key or a
            value out of range.
    """
    try:
        return ExperimentFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ExperimentError(
            f"{path}: there is no such experiment file; write one, or fix the path."
        ) from None
    except OSError as error:
        raise ExperimentError(
            f"{path}: the experiment file cannot be read ({error.strerror}); name a file that can."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExperimentError(f"{path}: this is not TOML ({error}); fix it.") from None
    except ValidationError as error:
        raise ExperimentError(f"{path}: {_sentence(error)}") from None


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """There is no such name; the nearest known one, or all of them."""
    return f"there is no {kind} {name!r}; {did_you_mean(name, known)}"


def _sentence(error: ValidationError) -> str:
    """The most telling of pydantic's errors as a sentence that names table and key."""
    errors = error.errors(include_url=False)
    # A misspelt key that is needed is unknown and missing at once: the former says how to fix it.
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    place = _place(first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown_key(first["loc"], place)
    if first["type"] == "missing":
        return f"{place} is missing; add it{_form(first)}."
    given = first["input"]
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{place}: {message}{shown}; fix it."


def _form(missing: ErrorDetails) -> str:
    """What a missing key may look like, where that is known."""
    if missing["loc"][-1] != "base_url":
        return ""
    preset = PRESETS.get(missing["input"].get("preset"))
    if preset is not None:
        return f" in the form {preset.own_url}"
    return f", or a preset ({', '.join(PRESETS)})"


def _place(loc: tuple[int | str, ...]) -> str:
    """``[matrix] shots``, ``[[model]] 2: name``, from pydantic's location."""
    table, *rest = loc
    if rest and isinstance(rest[0], int):
        head = f"[[{table}]] {rest[0] + 1}:"
        rest = rest[1:]
    elif table == "provider" and rest:
        head = f"[provider.{rest[0]}]"
        rest = rest[1:]
    else:
        head = f"[{table}]"
    tail = ".".join(str(part + 1) if isinstance(part, int) else part for part in rest)
    return f"{head} {tail}".strip()


def _unknown_key(loc: tuple[int | str, ...], place: str) -> str:
    fields: dict[str, Any] = {
        "task": Task, "provider": Provider, "model": Model, "matrix": Matrix,
        "fine_tuning": FineTuning, "threshold": Threshold,
    }  # fmt: skip
    table = fields.get(str(loc[0])) if len(loc) > 1 else ExperimentFile
    for outer, inner, within in (("matrix", "skip", Skip), ("model", "prices", Prices)):
        if loc[0] == outer and inner in loc[1:-1]:
            table = within
    hint = did_you_mean(str(loc[-1]), table.model_fields if table else ())
    return f"{place} is not known here; {hint}"
