"""``results.json`` read back: any version that is known, checked field by field."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from tunebench.errors import ResultsError
from tunebench.reports.cell_rows import check_interval
from tunebench.reports.checked_json import Count, Name, Part, Share, WrongJson, checked, parsed
from tunebench.reports.document import VERSION, Results

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunebench.experiment import Experiment

# By item, in the order of the texts: its label id and the one that was answered, if any was.
Judgements = dict[str, tuple[int, int | None]]

_READABLE = (1, 2, VERSION)
_AGAIN = "write the results again with `pytest --results DIR`"


class SizeRow(Part):
    """A cell of version 1."""

    model: Name
    train_size: Count
    decision_rule: Name
    accuracy: Share
    ci_low: Share
    ci_high: Share

    @model_validator(mode="after")
    def _consistent(self) -> SizeRow:
        check_interval(self.ci_low, self.accuracy, self.ci_high)
        return self


class OlderResults(Part):
    """Results of version 1, as far as they are still read."""

    version: Annotated[int, Field(ge=1, le=1)]
    cells: list[SizeRow]


def read_document(content: bytes) -> dict[str, Any]:
    """The content of a ``results.json`` of any version that is known, checked.

    Raises:
        WrongJson: it is something else, or a field of it is wrong.
    """
    value = parsed(content)
    version = value.get("version") if isinstance(value, dict) else None
    if type(version) is not int or version not in _READABLE:
        *first, last = map(str, _READABLE)
        readable = f"{', '.join(first)} or {last}"
        raise WrongJson(f"version: these are not results of version {readable}")
    document: dict[str, Any] = upgraded(value)
    checked(OlderResults if version == 1 else Results, document)
    return document


def upgraded(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document of version 2 as one of the current version; any other as it is."""
    found = dict(document)
    if found.get("version") == 2:
        found["version"] = VERSION
        if "baselines" in found:
            found["rivals"] = found.pop("baselines")
        if isinstance(uplifts := found.get("uplifts"), list):
            found["uplifts"] = [
                {"p" if name == "mid_p" else name: value for name, value in row.items()}
                if isinstance(row, dict)
                else row
                for row in uplifts
            ]
    return found


def read_results(path: Path) -> dict[str, Any]:
    """Read a ``results.json``, or the one in a folder, of any version that is known.

    Raises:
        ResultsError: there is none, it is of another version, or a field of it is wrong.
    """
    path = path / "results.json" if path.is_dir() else path
    try:
        return read_document(path.read_bytes())
    except OSError as error:
        problem = f"the results cannot be read ({error.strerror})"
        hint = "write them with `pytest --results DIR`"
        raise ResultsError(problem, where=path, hint=hint) from error
    except WrongJson as error:
        raise ResultsError(str(error), where=path, hint=_AGAIN) from None


def typed_results(document: Mapping[str, Any], path: Path) -> Results:
    """Results as `read_results` gives them, typed.

    Args:
        document: the results.
        path: what they were read from, for the message of an error.

    Raises:
        ResultsError: they are of version 1.
    """
    if document["version"] == 1:
        problem = f"version: these are not results of version {VERSION - 1} or {VERSION}"
        raise ResultsError(problem, where=path, hint=_AGAIN)
    return Results.model_validate(document)


def is_of(about: Mapping[str, Any], experiment: Experiment) -> bool:
    """Whether an entry of ``experiments`` is of an experiment: by its name, and by its file."""
    file = about.get("file")
    if file is None:  # results of an older tunebench
        return bool(about["name"] == experiment.name)
    names = (experiment.name, f"{experiment.name} ({file})")
    path = Path(os.path.abspath(experiment.path)).as_posix()
    return about["name"] in names and f"/{path}".endswith(f"/{file}")


def judgements_of(
    document: Mapping[str, Any], path: Path | str
) -> dict[tuple[str, str], Judgements]:
    """The judgements of all cells by experiment and cell, in the order of the document.

    Args:
        document: as `read_results` gives it.
        path: what it was read from, for the message of an error.

    Raises:
        ResultsError: the results are of version 1, which has no judgements.
    """
    if document["version"] == 1:
        problem = "version: results of version 1 do not hold each answer"
        raise ResultsError(problem, where=path, hint=_AGAIN)
    about = {experiment["name"]: experiment for experiment in document["experiments"]}
    found = {}
    for cell in document["cells"]:
        items = about[cell["experiment"]]["items"], about[cell["experiment"]]["label_ids"]
        rows = zip(*items, cell["predictions"], strict=True)
        found[cell["experiment"], cell["cell"]] = {
            item: (label, said) for item, label, said in rows
        }
    return found
