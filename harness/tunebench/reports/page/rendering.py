"""From results to the text of the page."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError
from tunebench.reports.document import VERSION
from tunebench.reports.reading import upgraded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tunebench.reports.page.section import Row, Rows, View

_PARTS = (
    "cells", "uplifts", "rivals", "jobs", "answers", "errors", "data_needs", "break_evens",
)  # fmt: skip
# The fields that the page cannot do without.
_NEEDED = {
    "cells": ("experiment", "cell", "model", "n", "accuracy", "ci_low", "ci_high"),
    "uplifts": ("experiment", "cell", "over", "difference", "ci_low", "ci_high"),
    "rivals": ("experiment", "model", "train_size", "n", "accuracy", "ci_low", "ci_high"),
    "jobs": ("experiment", "name"),
    "answers": ("experiment", "sentence"),
}


def report(document: Mapping[str, Any], *, texts: Mapping[str, str] | None = None) -> str:
    """Make the page of results; equal results give an equal page.

    Args:
        document: the content of ``results.json``, version 2 or later.
        texts: the texts of the data set by item; without it the page has none.

    Raises:
        ResultsError: these are not such results.
    """
    # Late: importing this package must not import the template engine.
    from tunebench.reports.page.sections import SECTIONS
    from tunebench.reports.page.sections.errors import errors
    from tunebench.reports.page.templates import packaged, template

    parts = _checked(document)
    views = _views(parts, texts)
    shown = [
        (view, [(section, blocks) for section in SECTIONS if (blocks := section.content(view))])
        for view in views
    ]
    lost = [entry for entry in parts["errors"] if not entry.get("experiment")]
    css, script = packaged("page.css"), packaged("page.js")
    about = f" on {views[0].experiment['name']}" if len(views) == 1 else ""
    return template("page.html").render(
        title=f"Does fine-tuning beat prompting{about}?",
        experiments=shown,
        errors=errors(lost) if lost else None,
        css=css,
        css_hash=_hash(css),
        script=script,
        script_hash=_hash(script),
    )


def report_bytes(document: Mapping[str, Any], *, texts: Mapping[str, str] | None = None) -> bytes:
    """The page as the bytes of its file; see `report`."""
    # JSON can have lone surrogates, which UTF-8 cannot encode.
    return report(document, texts=texts).encode("utf-8", errors="backslashreplace")


def write_report(
    document: Mapping[str, Any],
    path: Path,
    *,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write the page of results atomically, replacing an older one.

    Args:
        document: the content of ``results.json``, version 2 or later.
        path: the file of the page; its folder exists.
        texts: the texts of the data set by item; without it the page has none.

    Raises:
        ResultsError: these are not such results.
        DatasetError: the file cannot be written.
    """
    from tunebench.files import whole_files

    content = report_bytes(document, texts=texts)
    with whole_files([path], overwrite=True) as (file,):
        file.write(content)


def _checked(document: Mapping[str, Any]) -> dict[str, list[Row]]:
    """The parts of results, each a list of objects with the fields that the page needs."""
    if not isinstance(document, dict):
        raise _wrong("these are not results")
    document = upgraded(document)
    if document.get("version") != VERSION:
        raise _wrong(f"these are not results of version 2 or {VERSION}")
    parts = {name: document.get(name) or [] for name in ("experiments", *_PARTS)}
    for name, entries in parts.items():
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise _wrong(f"{name!r} must be a list of objects")
        for number, entry in enumerate(entries, 1):
            for needed in _NEEDED.get(name, ()):
                if entry.get(needed) is None:
                    raise _wrong(f"entry {number} of {name!r} has no {needed!r}")
    return parts


def _wrong(problem: str) -> ResultsError:
    return ResultsError(problem, hint="write the results again with `pytest --results DIR`")


def _views(parts: Mapping[str, Rows], texts: Mapping[str, str] | None) -> list[View]:
    """The results of each experiment, also of those that only a cell or an error names."""
    from tunebench.reports.page.section import View

    known = {entry["name"]: entry for entry in parts["experiments"] if entry.get("name")}
    for part in _PARTS:
        for entry in parts[part]:
            if name := entry.get("experiment"):
                known.setdefault(name, {"name": name})
    return [
        View(
            id=f"x{number}",
            level=3 if len(known) > 1 else 2,
            experiment=experiment,
            parts={
                part: [entry for entry in parts[part] if entry.get("experiment") == name]
                for part in _PARTS
            },
            texts=texts,
        )
        for number, (name, experiment) in enumerate(known.items(), 1)
    ]


def _hash(text: str) -> str:
    """How a content security policy names an inline style sheet or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
