"""Parts of the pages from schemas: of the experiment file, of presets and of ``results.json``."""

from __future__ import annotations

import inspect
import json
import pkgutil
import re
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator


def docstring(name: str) -> str:
    """The docstring of a module or class as Markdown, its attributes as a list."""
    one = pkgutil.resolve_name(name)
    listed = "".join(f"`{key}`\n: {meaning}\n\n" for key, meaning in meanings(one).items())
    return f"{_purpose(one)}\n\n{listed}"


def _purpose(one: object) -> str:
    """A docstring without its attributes; lists of definitions and blocks become Markdown's."""
    text = re.split(r"^Attributes:", inspect.getdoc(one) or "", flags=re.MULTILINE)[0].strip()
    text = re.sub(r"^(``.+``)\n {4}(?=\S)", r"\1\n: ", text, flags=re.MULTILINE)
    text = re.sub(r"^(: (?:.+\n)+?)(?=``)", r"\1\n", text, flags=re.MULTILINE)
    return re.sub(r"::$", ":", text, flags=re.MULTILINE).replace("``", "`")


def tables(model: type[BaseModel], head: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table of the experiment file, as it is written in TOML, with its model.

    Args:
        model: where to begin; `ExperimentFile` for all tables.
        head: the TOML of that model's own table.
    """
    for name, field in model.model_fields.items():
        inner = next(iter(_models(field.annotation)), None)
        if inner is None:
            continue
        if head:
            many = _within(field.annotation, list)
            written = f"{head} {name} = {'[{…}]' if many else '{…}'}"
        elif _within(field.annotation, list):
            written = f"[[{name}]]"
        elif _within(field.annotation, dict):
            written = f"[{name}.NAME]"
        else:
            written = f"[{name}]"
        yield written, inner
        yield from tables(inner, written)


def meanings(one: object) -> dict[str, str]:
    """The description of each attribute in the docstring of a class, as of a table's keys."""
    parts = re.split(r"^Attributes:\n", inspect.getdoc(one) or "", flags=re.MULTILINE)
    entries = re.split(r"^ {4}(\w+): ", parts[1] if len(parts) > 1 else "", flags=re.MULTILINE)
    return {
        name: " ".join(text.split())
        for name, text in zip(entries[1::2], entries[2::2], strict=True)
    }


def experiment_file() -> str:
    """The tables of the experiment file with their keys."""
    from tunebench.experiment.schema import ExperimentFile

    return "\n".join(_table(written, model) for written, model in tables(ExperimentFile))


def _table(written: str, model: type[BaseModel]) -> str:
    described = meanings(model)
    entries = [
        f"`{name}`\n: {_kind(field.annotation)}{_default(field)}. {described.get(name, '')}\n"
        for name, field in model.model_fields.items()
    ]
    return "\n".join([f"## `{written}`", "", _purpose(model), "", *entries])


def _default(field: Any) -> str:
    if field.is_required():
        return ", *needed*"
    value = field.default_factory() if field.default_factory else field.default
    if value is None or isinstance(value, BaseModel | dict) or value == []:
        return ""
    if isinstance(value, list):
        return f"; {', '.join(f'`{one}`' for one in value)} if left out"
    return f"; `{str(value).lower() if isinstance(value, bool) else value}` if left out"


def _kind(annotation: Any) -> str:
    """The type of a value in the words of TOML."""
    if get_origin(annotation) is list:
        return f"list of {_kind(get_args(annotation)[0])}"
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if all(isinstance(part, str) for part in parts) and parts:
        return " or ".join(f"`{part}`" for part in parts)
    if parts and get_origin(annotation) is not dict:
        return _kind(parts[0])  # Annotated[X, ...], or X | None
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "table"
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return plain.get(annotation, "table")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _within(annotation: Any, kind: type) -> bool:
    return get_origin(annotation) is kind or any(_within(a, kind) for a in get_args(annotation))


def presets() -> str:
    """The keys that each preset fills in, and what its provider lacks."""
    from tunebench.presets import PRESETS

    parts = []
    for name, preset in PRESETS.items():
        filled = "".join(f"{key} = {json.dumps(value)}\n" for key, value in preset.table().items())
        own = f" Every user has a `base_url` of their own, `{preset.own_url}`."
        note = f"{preset.note[:1].upper()}{preset.note[1:]}.{own if preset.own_url else ''}"
        parts.append(f"## `{name}`\n\n{note}\n\n```text\n{filled}```\n")
    return "\n".join(parts)


def results() -> str:
    """The parts of ``results.json``, with what is not plain from a field's name."""
    from tunebench.reports import Results

    parts = [_object("results.json", Results)]
    for name, field in Results.model_fields.items():
        parts += [_object(f"{name}[]", model) for model in _models(field.annotation)]
    return "\n".join(parts)


def _object(written: str, model: type[BaseModel]) -> str:
    names = ", ".join(f"`{name}`" for name in model.model_fields)
    return (
        f"## `{written}`\n\nFields: {names}.\n\n{docstring(f'{model.__module__}.{model.__name__}')}"
    )
