"""Results as Parquet files: one tidy row a cell, and one row a judgement.

pyarrow is an extra; import this module only where it is installed.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tunebench.reports.flat_tables import columns, tidy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_TYPES: dict[type, pa.DataType] = {
    str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()
}  # fmt: skip
_ROWS = 20_000  # in a row group; Arrow keeps those of the largest
_JUDGEMENTS = {
    "experiment": str, "cell": str, "item": str, "label": int, "prediction": int, "correct": bool
}  # fmt: skip


def parquet_files(document: Mapping[str, Any]) -> dict[str, list[memoryview]]:
    """``results.parquet`` and ``judgements.parquet``, equal bytes for equal documents.

    Args:
        document: what ``results.json`` holds.

    Returns:
        The parts of the files' content by name. A judgement has the columns experiment, cell, item,
        label, prediction (null where the answer stated no label), correct, and ``probability_0``
        and so on, one for each label id (null where they are not known).
    """
    cells = [tidy(cell) for cell in document["cells"]]
    labels = max((len(about["labels"]) for about in document["experiments"]), default=0)
    probabilities = {f"probability_{label}": float for label in range(labels)}
    return {
        "results.parquet": _file([_columns(cells)], columns() if cells else {}),
        "judgements.parquet": _file(_judgements(document, labels), _JUDGEMENTS | probabilities),
    }


def _judgements(document: Mapping[str, Any], labels: int) -> Iterator[dict[str, list[Any]]]:
    """The columns of the judgements, some 20,000 rows at a time."""

    def empty() -> dict[str, list[Any]]:
        names = [*_JUDGEMENTS, *(f"probability_{label}" for label in range(labels))]
        return {name: [] for name in names}

    found = empty()
    experiments = {about["name"]: about for about in document["experiments"]}
    for cell in document["cells"]:
        about = experiments[cell["experiment"]]
        for start in range(0, len(about["items"]), _ROWS):
            some = slice(start, start + _ROWS)
            truths, said = about["label_ids"][some], cell["predictions"][some]
            found["experiment"] += [cell["experiment"]] * len(said)
            found["cell"] += [cell["cell"]] * len(said)
            found["item"] += about["items"][some]
            found["label"] += truths
            found["prediction"] += said
            found["correct"] += [one == truth for one, truth in zip(said, truths, strict=True)]
            known = (cell["probabilities"] or [])[some] or [None] * len(said)
            for label in range(labels):
                found[f"probability_{label}"] += [
                    None if row is None or label >= len(row) else row[label] for row in known
                ]
            if len(found["item"]) >= _ROWS:
                yield found
                found = empty()
    yield found


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row.get(name) for row in rows] for name in columns()}


def _file(parts: Iterable[Mapping[str, list[Any]]], types: Mapping[str, type]) -> list[memoryview]:
    # What is null in every row has a type all the same.
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in types.items()])
    file = io.BytesIO()
    with pq.ParquetWriter(file, schema) as writer:
        for number, values in enumerate(parts):
            table = pa.table([values[name] for name in types], schema=schema)
            if len(table) or not number:
                writer.write_table(table)
    return [file.getbuffer()]
