"""Results as files that other programs read.

``results.json`` is one object, version 2. A number is null where there is none, be it that it is
not known or that it is infinite or NaN, as a loss that diverged. The object holds:

- ``answers``: of each experiment with prompted and fine-tuned cells its ``decision``
  (``fine-tune``, ``prompt`` or ``undecided``), the ``sentence`` that says so, and ``evidence``.
- ``data_needs``: what more training rows can be expected to give, or why nothing can be said.
- ``experiments``: ``name`` (which other entries call ``experiment``; the task's, and the file
  behind it where several experiments of the run have one name), ``file`` (its path from pytest's
  root folder), ``dataset``, ``labels``, ``n``, ``items`` (ids), ``label_ids`` (the
  true ones, in the order of the items), ``majority_rate``, ``train_sizes``, ``skipped`` (model,
  shots, train_size, decision_rule and reason of each combination that is no cell).
- ``cells``: a row each. ``cell`` is its id. ``gates`` lists what was judged: ``gate``, ``value``,
  ``limit``, ``mode``, ``verdict`` and ``sentence``; ``verdict`` sums them up. ``predictions`` are
  label ids in the order of the items, null where an answer stated none. ``readings`` counts the
  answers by the rule that read them (``exact``, ``casefolded``, ``json``, ``mentioned``,
  ``likeliest``) or by why none did (``refusal``, ``empty``, ``several``, ``cut off``, ``chatter``,
  ``unseen``);
  ``answered_as`` is the model that the provider says has answered, if another name than asked.
  ``overrides`` holds fields of the request that the model's ``parameters`` set instead of the rule.
  ``probabilities``, of cells
  by the rule ``label_logprobs``, a row an item over the label ids, or null. ``brier`` and
  ``calibration_error`` are over the items that have probabilities. ``confusion`` has a row a true
  label and a column a predicted one, the last for no label. ``ci_low`` and ``ci_high`` are
  Wilson's, ``exact_low`` and ``exact_high`` Clopper and Pearson's. Costs are in ``currency``.
- ``jobs``: the fine-tuning jobs of the cells, with the ``curve`` of their steps: of each step the
  metrics that the provider's file has, null where one is no finite number.
- ``uplifts``: the comparisons that tests made; ``holm_p`` is ``mid_p`` adjusted over all
  comparisons of the experiment, ``texts_needed`` what it takes to see such an uplift.
- ``baselines``: the yardsticks of ``--rivals``, with ``predictions``.
- ``break_evens``: when training is paid back, where prices are known.
- ``errors``: cells without a result.

Version 1 had only ``cells`` without lists, ``uplifts``, ``baselines`` and ``errors``.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError, TunebenchError, describe_error
from tunebench.files import whole_files
from tunebench.reports.flat_tables import csv_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunebench.experiment import Experiment

# By item, in the order of the texts: its label id and the one that was answered, if any was.
Judgements = dict[str, tuple[int, int | None]]

VERSION = 2


def write_results(
    folder: Path, document: Mapping[str, Any], step_summary: str | None = None
) -> tuple[list[str], list[str]]:
    """Write ``results.json``, ``results.csv``, ``summary.md``, ``report.html`` and Parquet files.

    The last ones need pyarrow.

    The files depend on the document alone, so that equal results give equal bytes. What cannot be
    made or written costs no other file, but for a folder that takes none.

    Args:
        folder: where; made if it is missing.
        document: what ``results.json`` holds, but for its version.
        step_summary: a file that ``summary.md`` is appended to, if any.

    Returns:
        What was written, and what was left out for want of an extra, a line each; and what
        failed, a sentence each.
    """
    whole = {"version": VERSION, **document}
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
            files = make(whole)
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
    if step_summary and summary:
        try:
            with open(step_summary, "ab") as file:
                file.write(summary)
        except OSError as error:
            failed.append(f"{step_summary}: the summary was not appended ({error.strerror}).")
    if written:
        first, *others = written
        notes.insert(0, f"results: {', '.join([str(folder / first), *others])}")
    return notes, failed


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
        f"{folder}: the results could not be written ({error.strerror}); give --results a folder "
        "that can be written to."
    )


def _placed(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    for name, content in files.items():
        with whole_files([folder / name], overwrite=True) as (file,):
            file.write(content)
    return list(files)


def _json(whole: Mapping[str, Any]) -> dict[str, bytes]:
    text = json.dumps(whole, indent=2, allow_nan=False, ensure_ascii=False)
    return {"results.json": f"{text}\n".encode()}


def _table(whole: Mapping[str, Any]) -> dict[str, bytes]:
    return {"results.csv": csv_table(whole["cells"]).encode()}


def _markdown(whole: Mapping[str, Any]) -> dict[str, bytes]:
    from tunebench.reports.markdown import summary_markdown

    return {_SUMMARY: summary_markdown(whole).encode()}


def _parquet(whole: Mapping[str, Any]) -> dict[str, bytes]:
    from tunebench.reports.parquet import parquet_files

    return parquet_files(whole)


def _page(whole: Mapping[str, Any]) -> dict[str, bytes]:
    from tunebench.reports.page.rendering import report_bytes

    return {"report.html": report_bytes(whole)}


_SUMMARY = "summary.md"
_PARQUET = "the Parquet files were"
# The results themselves come first: whatever becomes of the others, they are there.
_MAKERS = {
    "results.json: the results were": _json,
    "results.csv: the table was": _table,
    "summary.md: the summary was": _markdown,
    _PARQUET: _parquet,
    "report.html: the page was": _page,
}


def read_results(path: Path) -> dict[str, Any]:
    """Read a ``results.json``, or the one in a folder, of any version that is known.

    Raises:
        ResultsError: there is none, it is of another version, or a field of it is wrong.
    """
    # Late: pydantic is needed for results that are read only.
    from tunebench.reports.checked_json import WrongJson
    from tunebench.reports.document import read_document

    path = path / "results.json" if path.is_dir() else path
    try:
        return read_document(path.read_bytes())
    except OSError as error:
        raise ResultsError(
            f"{path}: the results cannot be read ({error.strerror}); write them with "
            "`pytest --results DIR`."
        ) from error
    except WrongJson as error:
        raise ResultsError(
            f"{path}: {error}; write the results again with `pytest --results DIR`."
        ) from None


def is_of(about: Mapping[str, Any], experiment: Experiment) -> bool:
    """Whether an entry of ``experiments`` is of an experiment: by its name, and by its file."""
    file = about.get("file")
    if file is None:  # results of an older tunebench
        return bool(about["name"] == experiment.name)
    names = (experiment.name, f"{experiment.name} ({file})")
    path = Path(os.path.abspath(experiment.path)).as_posix()
    return about["name"] in names and f"/{path}".endswith(f"/{file}")


def judgements_of(document: Mapping[str, Any], path: Path) -> dict[tuple[str, str], Judgements]:
    """The judgements of all cells by experiment and cell, in the order of the document.

    Args:
        document: as `read_results` gives it.
        path: what it was read from, for the message of an error.

    Raises:
        ResultsError: the results are of version 1, which has no judgements.
    """
    if document["version"] == 1:
        raise ResultsError(
            f"{path}: results of version 1 do not hold each answer; write them again with "
            "`pytest --results DIR`."
        )
    about = {experiment["name"]: experiment for experiment in document["experiments"]}
    found = {}
    for cell in document["cells"]:
        items = about[cell["experiment"]]["items"], about[cell["experiment"]]["label_ids"]
        rows = zip(*items, cell["predictions"], strict=True)
        found[cell["experiment"], cell["cell"]] = {
            item: (label, said) for item, label, said in rows
        }
    return found
