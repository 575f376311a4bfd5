"""The typed rows of ``results.json`` as data frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from tunebench.reports import CellRow, Failure, RivalRow, UpliftRow, columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tunebench.reports import About
    from tunebench.reports import Results as Document

_DTYPES: dict[type, Any] = {str: "string", int: "Int64", float: "float64", bool: "boolean"}
_PREDICTIONS = {
    "experiment": str, "cell": str, "kind": str, "model": str, "train_size": int, "item": str,
    "place": str, "group": int, "label": str, "prediction": str, "correct": bool,
    "probability": float,
}  # fmt: skip


def cells(document: Document) -> pd.DataFrame:
    """A row a cell."""
    rows = [dict(row) | {"kind": kind_of(row)} for row in document.cells]
    frame = _frame(rows, _with_kind(columns(CellRow), after="cell"))
    times = pd.to_datetime(frame["recorded_at"], utc=True, format="ISO8601", errors="coerce")
    return frame.assign(recorded_at=times.astype("datetime64[ns, UTC]"))


def rivals(document: Document) -> pd.DataFrame:
    """A row a rival and training size."""
    rows = [dict(row) | {"kind": "rival"} for row in document.rivals]
    return _frame(rows, _with_kind(columns(RivalRow), after="model"))


def uplifts(document: Document) -> pd.DataFrame:
    """A row a comparison."""
    return _frame(map(dict, document.uplifts), columns(UpliftRow))


def errors(document: Document) -> pd.DataFrame:
    """A row for each cell without a result, and for what else failed."""
    return _frame(map(dict, document.errors), columns(Failure))


def predictions(document: Document) -> pd.DataFrame:
    """A row an answer."""
    return _frame(_predictions(document), _PREDICTIONS)


def kind_of(row: CellRow) -> str:
    """What a cell's model is, in the word of the column ``kind``."""
    return "fine-tuned" if row.train_size else "prompted"


def _predictions(document: Document) -> Iterator[dict[str, Any]]:
    experiments = {about.name: about for about in document.experiments}
    for cell in document.cells:
        named = {"cell": cell.cell, "kind": kind_of(cell)}
        yield from _answers(experiments[cell.experiment], cell, named, cell.probabilities)
    for rival in document.rivals:
        about = experiments.get(rival.experiment)
        if about is not None and rival.predictions is not None:
            # As the answer names it.
            named = {"cell": f"{rival.model} on {rival.train_size:,} rows", "kind": "rival"}
            yield from _answers(about, rival, named, None)


def _answers(
    about: About,
    row: CellRow | RivalRow,
    named: Mapping[str, str],
    probabilities: Sequence[Sequence[float] | None] | None,
) -> Iterator[dict[str, Any]]:
    same = {"experiment": row.experiment, "model": row.model, "train_size": row.train_size}
    for i, (item, said) in enumerate(zip(about.items, row.predictions or (), strict=False)):
        known = probabilities[i] if probabilities else None
        yield {
            **same,
            **named,
            "item": item,
            "place": about.places[i] if about.places else None,
            "group": about.groups[i] if about.groups else None,
            "label": about.labels[about.label_ids[i]],
            "prediction": None if said is None else about.labels[said],
            "correct": said == about.label_ids[i],
            "probability": None if known is None or said is None else known[said],
        }


def _with_kind(types: dict[str, type], after: str) -> dict[str, type]:
    """The columns with ``kind`` behind another one."""
    found: dict[str, type] = {}
    for name, kind in types.items():
        found[name] = kind
        if name == after:
            found["kind"] = str
    return found


def _frame(rows: Iterable[Mapping[str, Any]], types: Mapping[str, type]) -> pd.DataFrame:
    """Rows as a frame with these columns and types, also where there are no rows."""
    listed = list(rows)
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in listed], dtype=_DTYPES[kind])
            for name, kind in types.items()
        }
    )
