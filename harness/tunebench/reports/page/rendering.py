"""From results to the text of the page."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tunebench.reports.document import Results
    from tunebench.reports.page.section import View


def report(results: Results, *, texts: Mapping[str, str] | None = None) -> str:
    """Make the page of results; equal results give an equal page.

    Args:
        results: the content of ``results.json``.
        texts: the texts of the data set by item; without it the page has none.
    """
    # Late: importing this package must not import the template engine.
    from tunebench.reports.page.sections import SECTIONS
    from tunebench.reports.page.sections.errors import listed
    from tunebench.reports.page.templates import packaged, template

    views = _views(results, texts)
    shown = [
        (view, [(section, blocks) for section in SECTIONS if (blocks := section.content(view))])
        for view in views
    ]
    lost = [entry for entry in results.errors if not entry.experiment]
    css, script = packaged("page.css"), packaged("page.js")
    about = f" on {views[0].about.name}" if len(views) == 1 else ""
    return template("page.html").render(
        title=f"What works best{about}?",
        experiments=shown,
        errors=listed(lost) if lost else None,
        css=css,
        css_hash=_hash(css),
        script=script,
        script_hash=_hash(script),
    )


def report_bytes(results: Results, *, texts: Mapping[str, str] | None = None) -> bytes:
    """The page as the bytes of its file; see `report`."""
    # A text of a data set can have lone surrogates, which UTF-8 cannot encode.
    return report(results, texts=texts).encode("utf-8", errors="backslashreplace")


def write_report(
    results: Results,
    path: Path,
    *,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write the page of results atomically, replacing an older one.

    Args:
        results: the content of ``results.json``.
        path: the file of the page; its folder exists.
        texts: the texts of the data set by item; without it the page has none.

    Raises:
        DatasetError: the file cannot be written.
    """
    from tunebench.files import whole_files

    content = report_bytes(results, texts=texts)
    with whole_files([path], overwrite=True) as (file,):
        file.write(content)


def _views(results: Results, texts: Mapping[str, str] | None) -> list[View]:
    """The results of each experiment, also of those that only an error or an answer names."""
    from tunebench.reports.page.section import View
    from tunebench.reports.rows import About

    known = {about.name: about for about in results.experiments}
    parts = {
        part: entries
        for part, entries in results
        if isinstance(entries, list) and part != "experiments"
    }
    for name in (entry.experiment for entries in parts.values() for entry in entries):
        if name:
            about = About.model_construct(name=name, labels=[], items=[], label_ids=[])
            known.setdefault(name, about)
    return [
        View(
            id=f"x{number}",
            level=3 if len(known) > 1 else 2,
            about=about,
            results=results.model_copy(
                update={
                    part: [entry for entry in entries if entry.experiment == name]
                    for part, entries in parts.items()
                }
            ),
            texts=texts,
        )
        for number, (name, about) in enumerate(known.items(), 1)
    ]


def _hash(text: str) -> str:
    """How a content security policy names an inline style sheet or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
