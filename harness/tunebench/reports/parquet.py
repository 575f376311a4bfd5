"""Results as Parquet files: one tidy row a cell, and one row a judgement.

pyarrow is an extra; import this module only where it is installed.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tunebench.reports.flat_tables import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# What may be null in every row has a type all the same. All other columns are numbers.
_TEXTS = frozenset(
    ("experiment", "cell", "model", "decision_rule", "verdict", "cassette", "recorded_at", "job",
     "fine_tuned_model", "server", "answered_as", "currency", "item")
)  # fmt: skip
_COUNTS = frozenset(
    ("shots", "train_size", "n", "correct", "unread", "prompt_tokens", "completion_tokens",
     "trained_tokens", "training_seconds", "label", "prediction")
)  # fmt: skip
_JUDGEMENT = ("experiment", "cell", "item", "label", "prediction", "correct")


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
    names = [*_JUDGEMENT, *(f"probability_{label}" for label in range(labels))]
    return {
        "results.parquet": _file(cells, list(cells[0]) if cells else []),
        "judgements.parquet": _file(list(_judgements(document)), names, flag="correct"),
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


def _file(rows: Sequence[Mapping[str, Any]], names: Sequence[str], flag: str = "") -> bytes:
    schema = pa.schema([(name, pa.bool_() if name == flag else _type(name)) for name in names])
    columns = [[row.get(name) for row in rows] for name in names]
    file = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), file)
    return file.getvalue()


def _type(name: str) -> pa.DataType:
    return pa.string() if name in _TEXTS else pa.int64() if name in _COUNTS else pa.float64()
