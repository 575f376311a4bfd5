"""Results as files that other programs read.

``results.json`` is one object, version 2:

- ``answers``: of each experiment with prompted and fine-tuned cells its ``decision``
  (``fine-tune``, ``prompt`` or ``undecided``), the ``sentence`` that says so, and ``evidence``.
- ``data_needs``: what more training rows can be expected to give, or why nothing can be said.
- ``experiments``: ``name``, ``dataset``, ``labels``, ``n``, ``items`` (ids), ``label_ids`` (the
  true ones, in the order of the items), ``majority_rate``, ``train_sizes``, ``skipped`` (model,
  shots, train_size, decision_rule and reason of each combination that is no cell).
- ``cells``: a row each. ``cell`` is its id. ``gates`` lists what was judged: ``gate``, ``value``,
  ``limit``, ``mode``, ``verdict`` and ``sentence``; ``verdict`` sums them up. ``predictions`` are
  label ids in the order of the items, null where an answer stated none. ``readings`` counts the
  answers by the rule that read them (``exact``, ``casefolded``, ``json``, ``mentioned``,
  ``likeliest``) or by why none did (``refusal``, ``empty``, ``several``, ``cut off``, ``chatter``,
  ``unseen``);
  ``answered_as`` is the model that the provider says has answered, if another name than asked.
  ``probabilities``, of cells
  by the rule ``label_logprobs``, a row an item over the label ids, or null. ``brier`` and
  ``calibration_error`` are over the items that have probabilities. ``confusion`` has a row a true
  label and a column a predicted one, the last for no label. ``ci_low`` and ``ci_high`` are
  Wilson's, ``exact_low`` and ``exact_high`` Clopper and Pearson's. Costs are in ``currency``.
- ``jobs``: the fine-tuning jobs of the cells, with the ``curve`` of their steps.
- ``uplifts``: the comparisons that tests made; ``holm_p`` is ``mid_p`` adjusted over all
  comparisons of the experiment, ``texts_needed`` what it takes to see such an uplift.
- ``baselines``: the yardsticks of ``--baselines``, with ``predictions``.
- ``break_evens``: when training is paid back, where prices are known.
- ``errors``: cells without a result.

Version 1 had only ``cells`` without lists, ``uplifts``, ``baselines`` and ``errors``.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import TunebenchError

if TYPE_CHECKING:
    from collections.abc import Mapping

# By item, in the order of the texts: its label id and the one that was answered, if any was.
Judgements = dict[str, tuple[int, int | None]]

VERSION = 2
READABLE = (1, 2)
_LISTS = ("readings", "gates", "confusion", "predictions", "probabilities", "prompt_sha256")


class ResultsError(TunebenchError):
    """Results that cannot be written, or read."""


def write_results(
    folder: Path, document: Mapping[str, Any], step_summary: str | None = None
) -> list[str]:
    """Write ``results.json``, ``results.csv``, ``summary.md``, ``report.html`` and Parquet files.

    The last ones need pyarrow.

    The files depend on the document alone, so that equal results give equal bytes.

    Args:
        folder: where; made if it is missing.
        document: what ``results.json`` holds, but for its version.
        step_summary: a file that ``summary.md`` is appended to, if any.

    Returns:
        What was written, and what was not and why, a line each.

    Raises:
        ResultsError: the folder cannot be written to.
    """
    from harness.reports.markdown import summary_markdown
    from harness.reports.page import write_report

    whole = {"version": VERSION, **document}
    text = json.dumps(whole, indent=2, allow_nan=False, ensure_ascii=False)
    files = {
        "results.json": f"{text}\n".encode(),
        "results.csv": _csv(document["cells"]).encode(),
        "summary.md": summary_markdown(document).encode(),
    }
    notes = []
    if importlib.util.find_spec("pyarrow") is not None:
        from harness.reports.parquet import parquet_files

        files |= parquet_files(document)
    else:
        notes.append(
            "no Parquet files were written, as pyarrow is not installed: pip install "
            "'tunebench[parquet]'."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _replace(folder / name, content)
        write_report(whole, folder / "report.html")
    except OSError as error:
        raise ResultsError(
            f"{folder}: the results could not be written ({error.strerror}); give --results a "
            "folder that can be written to."
        ) from error
    if step_summary:
        try:
            with open(step_summary, "ab") as file:
                file.write(files["summary.md"])
        except OSError as error:
            notes.append(f"{step_summary}: the summary was not appended ({error.strerror}).")
    first, *others = files
    return [f"results: {folder / first}, {', '.join(others)}, report.html", *notes]


def read_results(path: Path) -> dict[str, Any]:
    """Read a ``results.json``, or the one in a folder, of any version that is known.

    Raises:
        ResultsError: there is none, or it is of another version.
    """
    path = path / "results.json" if path.is_dir() else path
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        if document["version"] not in READABLE or not isinstance(document["cells"], list):
            raise ValueError
    except OSError as error:
        raise ResultsError(
            f"{path}: the results cannot be read ({error.strerror}); write them with "
            "`pytest --results DIR`."
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise ResultsError(
            f"{path}: these are no results of version {' or '.join(map(str, READABLE))}; write "
            "them with `pytest --results DIR`."
        ) from error
    return document


def judgements_of(document: Mapping[str, Any], path: Path) -> dict[tuple[str, str], Judgements]:
    """The judgements of all cells by experiment and cell, in the order of the document.

    Args:
        document: as `read_results` gives it.
        path: what it was read from, for the message of an error.

    Raises:
        ResultsError: the results are of version 1, which has no judgements, or are damaged.
    """
    if document["version"] == 1:
        raise ResultsError(
            f"{path}: results of version 1 do not hold each answer; write them anew with "
            "`pytest --results DIR`."
        )
    try:
        about = {experiment["name"]: experiment for experiment in document["experiments"]}
        found = {}
        for cell in document["cells"]:
            items = about[cell["experiment"]]["items"], about[cell["experiment"]]["label_ids"]
            rows = zip(*items, cell["predictions"], strict=True)
            found[cell["experiment"], cell["cell"]] = {
                item: (label, said) for item, label, said in rows
            }
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(
            f"{path}: a cell has not one answer for each item; write the results anew with "
            "`pytest --results DIR`."
        ) from error
    return found


def tidy(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell of ``results.json`` without its lists, for tables."""
    return {name: value for name, value in cell.items() if name not in _LISTS}


def _csv(cells: list[Mapping[str, Any]]) -> str:
    file = io.StringIO()
    if cells:
        rows = [tidy(cell) for cell in cells]
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return file.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Write beside the file and put it in place when whole."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with open(handle, "wb") as file:
            file.write(content)
        # mkstemp's files are for the owner's eyes only; these are as any file that is written.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
