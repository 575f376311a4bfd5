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
    from collections.abc import Iterator, Mapping, Sequence

_TYPES: dict[type, pa.DataType] = {
    str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()
}  # fmt: skip
_JUDGEMENTS = {
    "experiment": str, "cell": str, "item": str, "label": int, "prediction": int, "correct": bool
}  # fmt: skip


def parquet_files(document: Mapping[str, Any]) -> dict[str, bytes]:
    """``results.parquet`` and ``judgements.parquet``, equal bytes for equal documents.

    Args:
        document: what ``results.json`` holds.

    Returns:
        The files' content by name. A judgement has the columns experiment, cell, item, label,
        prediction (null where the answer stated no label), correct, and ``probability_0`` and so
        on, one for each label id (null where they are not known).
    """
    cells = [tidy(cell) for cell in document["cells"]]
    labels = max((len(about["labels"]) for about in document["experiments"]), default=0)
    probabilities = {f"probability_{label}": float for label in range(labels)}
    return {
        "results.parquet": _file(cells, columns() if cells else {}),
        "judgements.parquet": _file(list(_judgements(document)), _JUDGEMENTS | probabilities),
    }


def _judgements(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    experiments = {about["name"]: about for about in document["experiments"]}
    for cell in document["cells"]:
        about = experiments[cell["experiment"]]
        for i, item in enumerate(about["items"]):
            label, prediction = about["label_ids"][i], cell["predictions"][i]
            row = {
                "experiment": cell["experiment"],
                "cell": cell["cell"],
                "item": item,
                "label": label,
                "prediction": prediction,
                "correct": prediction == label,
            }
            for label_id, value in enumerate((cell["probabilities"] or {i: None})[i] or ()):
                row[f"probability_{label_id}"] = value
            yield row


def _file(rows: Sequence[Mapping[str, Any]], types: Mapping[str, type]) -> bytes:
    # What is null in every row has a type all the same.
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in types.items()])
    values = [[row.get(name) for row in rows] for name in types]
    file = io.BytesIO()
    pq.write_table(pa.table(values, schema=schema), file)
    return file.getvalue()
