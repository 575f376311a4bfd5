"""From results to the text of the page."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tunebench.reports.page.content import checked, experiment_view, page_view

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import jinja2


def report(document: Mapping[str, Any], *, texts: Mapping[str, str] | None = None) -> str:
    """Make the page of results; equal results give an equal page.

    Args:
        document: the content of ``results.json``, version 2.
        texts: by item, what was classified; without it the page holds no text of a data set.

    Raises:
        ResultsError: these are not results of version 2.
    """
    document = checked(document)
    drawings = _drawings()
    page = page_view(document)
    views = [
        experiment_view(document, part, drawings, texts, number)
        for number, part in enumerate(page["experiments"], 1)
    ]
    css, script = _packaged("page.css") + (drawings.css if drawings else ""), _packaged("page.js")
    template = _environment().from_string(_packaged("page.html"))
    return template.render(
        page | {"experiments": views},
        charts=drawings is not None,
        css=css,
        css_hash=_hash(css),
        script=script,
        script_hash=_hash(script),
        has_texts=texts is not None,
    )


def report_bytes(document: Mapping[str, Any], *, texts: Mapping[str, str] | None = None) -> bytes:
    """The page as the bytes of its file; see `report`."""
    # A lone surrogate, which JSON can hold, has no bytes of its own.
    return report(document, texts=texts).encode("utf-8", errors="backslashreplace")


def write_report(
    document: Mapping[str, Any],
    path: Path,
    *,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write the page of results, whole or not at all; a page that is there is replaced.

    Args:
        document: the content of ``results.json``, version 2.
        path: of the page; its folder exists.
        texts: by item, what was classified; without it the page holds no text of a data set.

    Raises:
        ResultsError: these are not results of version 2.
        DatasetError: the file cannot be written.
    """
    from tunebench.files import whole_files

    content = report_bytes(document, texts=texts)
    with whole_files([path], overwrite=True) as (file,):
        file.write(content)


def _drawings() -> Any:
    """What collects the charts; None where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return None
    from tunebench.reports.page.svg import Drawings

    return Drawings()


def _packaged(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """How a content security policy names an inline style sheet or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment
