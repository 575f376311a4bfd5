"""Reading an experiment's TOML file; pydantic's errors become errors with place and hint."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tunebench.errors import ExperimentError, did_you_mean
from tunebench.experiment.fields import CURRENCY, NAME, URL, VARIANT
from tunebench.experiment.schema import ExperimentFile
from tunebench.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

# By the type of pydantic's error, with the fields of its context.
_PROBLEMS = {
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "model_type": "must be a table",
    "string_too_short": "must not be empty",
    "string_type": "must be text in quotes",
    "too_long": "must have {max_length} entries or fewer",
    "too_short": "must have {min_length} entry or more",
}
# By the pattern that a text does not match.
_FORMS = {
    CURRENCY: "must be three capital letters such as EUR",
    NAME: "must consist of letters, digits, '.', '_' and '-', the first a letter or digit",
    VARIANT: "must consist of letters, digits and '_', the first a letter",
    URL: "must be a URL such as http://127.0.0.1:8017/v1",
}

# By a key that there is not, where the nearest one is for something else.
_INSTEAD = {
    "max_tokens_in": "texts are cut by max_chars, which `tunebench doctor` finds with "
    "--max-tokens-in",
}


def read_file(path: Path) -> ExperimentFile:
    """Read the file and check each table on its own.

    Raises:
        ExperimentError: the file is missing, is not TOML, has an unknown or missing key or a value
            out of range.
    """
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return ExperimentFile.model_validate(tomllib.loads(text))
    except FileNotFoundError:
        raise ExperimentError(
            "there is no such experiment file", where=path, hint="write one, or fix the path"
        ) from None
    except OSError as error:
        raise ExperimentError(
            f"the experiment file cannot be read ({error.strerror})", where=path
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExperimentError(
            f"this is not TOML ({error})", where=path, hint=_single_brackets(text)
        ) from None
    except ValidationError as error:
        raise _error(path, error) from None


def _error(path: Path, error: ValidationError) -> ExperimentError:
    """The most telling of pydantic's errors."""
    errors = error.errors(include_url=False)
    # A misspelt required key is both unknown and missing: the former says how to fix it.
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    *outer, key = first["loc"]
    table = f"{path}: {_place(outer)}" if outer else str(path)
    head = f"[[{key}]]" if _lists_tables([key]) else f"[{key}]"
    name = f"key {key!r}" if outer else f"table {head}"
    if first["type"] == "extra_forbidden":
        known = _model_at(outer).model_fields
        near = _INSTEAD.get(str(key)) or did_you_mean(str(key), known)
        return ExperimentError(f"unknown {name}", where=table, hint=near)
    if first["type"] == "missing":
        return ExperimentError(
            f"the {name} is missing", where=table, hint=f"add it{_example(first)}"
        )
    given = first["input"]
    shown = f", not {given!r}" if isinstance(given, str | int | float) else ""
    if isinstance(given, bool):  # in the words of TOML
        shown = shown.lower()
    problem, hint = _brackets(first) or (_problem(first), None)
    where = f"{path}: {_place(first['loc'])}"
    return ExperimentError(f"{problem}{shown}", where=where, hint=hint)


def _brackets(error: ErrorDetails) -> tuple[str, str] | None:
    """What is wrong, and how to write it, where a table is written as another kind of table."""
    loc, given = error["loc"], error["input"]
    if error["type"] == "list_type" and isinstance(given, dict) and _lists_tables(loc):
        return "must be a list of tables", f"write [[{'.'.join(map(str, loc))}]]"
    if error["type"] not in ("dict_type", "model_type"):
        return None
    if loc[0] == "provider" and (len(loc) == 1 or not isinstance(given, list)):
        return "must be a table", "write [provider.NAME] with a name of yours"
    if isinstance(given, list) and not any(isinstance(part, int) for part in loc):
        return "must be a table", f"write [{'.'.join(map(str, loc))}], once"
    return None


def _lists_tables(loc: Sequence[int | str]) -> bool:
    """Whether a location is that of an array of tables."""
    *outer, key = loc
    field = _model_at(outer).model_fields.get(str(key))
    return (
        field is not None
        and get_origin(field.annotation) is list
        and bool(_models(field.annotation))
    )


def _single_brackets(text: str) -> str | None:
    """The hint of a file that is not TOML as an entry of a list, or two, is written as a table."""
    names = "|".join(name for name in ExperimentFile.model_fields if _lists_tables([name]))
    found = re.search(rf"^\s*\[({names})\]", text, re.MULTILINE)
    return None if found is None else f"write [[{found[1]}]] for each"


def _problem(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    form = _PROBLEMS.get(error["type"]) or _FORMS.get(context.get("pattern", ""))
    return form.format(**context) if form else error["msg"]


def _example(missing: ErrorDetails) -> str:
    """What a missing key may look like, where that is known."""
    if missing["loc"][-1] != "base_url":
        return ""
    preset = PRESETS.get(missing["input"].get("preset"))
    if preset is not None:
        return f" in the form {preset.own_url}"
    return f", or a preset ({', '.join(PRESETS)})"


def _place(loc: Sequence[int | str]) -> str:
    """``[matrix] shots 2``, ``[[model]] 2: prices.input``, from pydantic's location."""
    # pydantic marks a name that is wrong itself.
    table, *rest = [part for part in loc if part != "[key]"]
    head = f"[{table}]"
    if rest and isinstance(rest[0], int):
        head = f"[[{table}]] {rest[0] + 1}" + (":" if rest[1:] else "")
        rest = rest[1:]
    elif rest and table == "provider":
        head = f"[provider.{rest[0]}]"
        rest = rest[1:]
    tail = "".join(f" {part + 1}" if isinstance(part, int) else f".{part}" for part in rest)
    return f"{head} {tail.removeprefix('.')}".strip()


def _model_at(loc: Sequence[int | str]) -> type[BaseModel]:
    """The table that a location is in."""
    table: type[BaseModel] = ExperimentFile
    for part in loc:
        if isinstance(part, str) and part in table.model_fields:
            table = next(iter(_models(table.model_fields[part].annotation)), table)
    return table


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models within a type such as ``list[Model]`` or ``Prices | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
