"""The result files that `pytest --results` writes."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
from itertools import islice
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError, TunebenchError, describe_error
from tunebench.files import whole_files
from tunebench.reports.flat_tables import csv_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tunebench.reports.document import Results


def write_results(
    folder: Path, results: Results, step_summary: str | None = None
) -> tuple[list[str], list[str]]:
    """Write ``results.json``, ``results.csv``, ``summary.md``, ``report.html`` and Parquet files.

    The last ones need pyarrow.

    The files depend on the results alone, so that equal results give equal bytes. A file that
    cannot be made or written does not stop the others, unless the folder takes none.

    Args:
        folder: is made if it is missing.
        results: the content of ``results.json``.
        step_summary: a file that ``summary.md`` is appended to, if any.

    Returns:
        What was written, and what was left out because an extra is not installed, a line each;
        and what failed, a sentence each.
    """
    document = _dumped(results)
    written: list[str] = []
    notes: list[str] = []
    failed: list[str] = []
    summary, refused = b"", False
    for what, make in _MAKERS.items():
        if what == _PARQUET and importlib.util.find_spec("pyarrow") is None:
            notes.append(
                "no Parquet files were written, as pyarrow is not installed: pip install "
                "'tunebench[parquet]'."
            )
            continue
        try:
            files = make(results, document)
        except Exception as error:
            failed.append(describe_error(f"{folder}: {what} not made", error))
            continue
        summary = files.get(_SUMMARY, summary)
        try:
            if not refused:
                written += _placed(folder, files)
        except TunebenchError as error:
            refused = True  # the next file would say the same
            failed.append(str(error))
        except Exception as error:
            failed.append(describe_error(f"{folder}: {what} not made", error))
    if step_summary and summary:
        try:
            append_summary(step_summary, summary)
        except ResultsError as error:
            failed.append(str(error))
    if written:
        first, *others = written
        notes.insert(0, f"results: {', '.join([str(folder / first), *others])}")
    return notes, failed


def _dumped(results: Results) -> dict[str, Any]:
    """The results as plain values; their longest lists are theirs, and no copies."""
    found = results.model_dump(
        exclude={part: {"__all__": _LONG} for part in ("experiments", "cells")}
    )
    for part in ("experiments", "cells"):
        found[part] = [
            {
                name: fields[name] if name in fields else getattr(row, name)
                for name in type(row).model_fields
            }
            for row, fields in zip(getattr(results, part), found[part], strict=True)
        ]
    return found


def append_summary(path: str, summary: bytes) -> None:
    """Append Markdown to the summary of a CI run.

    Raises:
        ResultsError: the file cannot be written.
    """
    try:
        with open(path, "ab") as file:
            file.write(summary)
    except OSError as error:
        problem = f"the summary was not appended ({error.strerror})"
        raise ResultsError(problem, where=path) from error


def refuse_unwritable(folder: Path) -> None:
    """Refuse a folder for results that cannot be made or written to, without making it.

    Raises:
        ResultsError: it cannot.
    """
    near = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
    why = None
    if near.exists() and not near.is_dir():
        why = errno.ENOTDIR
    elif near.exists() and not os.access(near, os.W_OK | os.X_OK):
        why = errno.EACCES
    if why is not None:
        raise _unwritable(folder, OSError(why, os.strerror(why)))


def _unwritable(folder: Path, error: OSError) -> ResultsError:
    return ResultsError(
        f"the results could not be written ({error.strerror})",
        where=folder,
        hint="give --results a folder that can be written to",
    )


def _placed(folder: Path, files: Mapping[str, bytes | Iterable[bytes | memoryview]]) -> list[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    for name, content in files.items():
        with whole_files([folder / name], overwrite=True) as (file,):
            file.writelines([content] if isinstance(content, bytes) else content)
    return list(files)


def _json(_: Results, document: Mapping[str, Any]) -> dict[str, Iterable[bytes]]:
    return {"results.json": _json_parts(document)}


def _json_parts(document: Mapping[str, Any]) -> Iterator[bytes]:
    """The JSON in parts: that of a million texts is 100 MB."""
    experiments = [about | {"items": _Listed(about["items"])} for about in document["experiments"]]
    encoder = json.JSONEncoder(indent=2, allow_nan=False, ensure_ascii=False)
    parts = encoder.iterencode({**document, "experiments": experiments})
    while some := "".join(islice(parts, _TOGETHER)):
        yield some.encode()
    yield b"\n"


class _Listed(list[Any]):
    """A list for the encoder of JSON, which takes no other sequence; its values are another's."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)


def _table(_: Results, document: Mapping[str, Any]) -> dict[str, bytes]:
    return {"results.csv": csv_table(document["cells"]).encode()}


def _markdown(_: Results, document: Mapping[str, Any]) -> dict[str, bytes]:
    from tunebench.reports.markdown import summary_markdown

    return {_SUMMARY: summary_markdown(document).encode()}


def _parquet(_: Results, document: Mapping[str, Any]) -> dict[str, list[memoryview]]:
    from tunebench.reports.parquet import parquet_files

    return parquet_files(document)


def _page(results: Results, _: Mapping[str, Any]) -> dict[str, bytes]:
    from tunebench.reports.page.rendering import report_bytes

    return {"report.html": report_bytes(results)}


_SUMMARY = "summary.md"
_LONG = {"items", "label_ids", "places", "predictions", "prompt_sha256"}
_TOGETHER = 10_000  # parts of JSON, each a value or what is between two
_PARQUET = "the Parquet files were"
# The results themselves come first: whatever becomes of the others, they are there.
_MAKERS: dict[str, Callable[[Results, Mapping[str, Any]], Mapping[str, Any]]] = {
    "results.json: the results were": _json,
    "results.csv: the table was": _table,
    "summary.md: the summary was": _markdown,
    _PARQUET: _parquet,
    "report.html: the page was": _page,
}
