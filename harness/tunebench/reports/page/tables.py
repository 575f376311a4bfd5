"""The tables of the page: what each column is called and how its values are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Row = Mapping[str, Any]
    Column = tuple[str, bool, Callable[[Row], str]]

NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """A table as it is shown; the first column names the row.

    Attributes:
        caption: what it shows.
        columns: of each column the title and whether it holds numbers.
        rows: as many texts as columns each.
    """

    caption: str
    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str]]


def written(value: Any, form: str = "") -> str:
    """A value as text; a dash where it is not known."""
    if value is None or value == "":
        return NOTHING
    if form and not isinstance(value, (int, float)):
        return str(value)
    return format(value, form) if form else str(value)


def interval(row: Row, form: str = ".3f") -> str:
    """The ends of a row's interval."""
    return f"{written(row.get('ci_low'), form)} to {written(row.get('ci_high'), form)}"


def p_value(value: Any) -> str:
    """A p-value to four places."""
    return "<0.0001" if isinstance(value, float) and value < 0.0001 else written(value, ".4f")


def accuracies(cells: Iterable[Row], baselines: Iterable[Row]) -> Table:
    """Every cell and yardstick with its accuracy."""
    columns: list[Column] = [
        ("cell", False, lambda row: row.get("cell") or baseline_name(row)),
        ("rule", False, _value("decision_rule")),
        ("texts", True, _value("n")),
        ("right", True, _value("correct")),
        ("no label", True, _value("unread")),
        ("accuracy", True, _value("accuracy", ".3f")),
        ("95 % interval", True, interval),
        ("threshold", True, _value("min_accuracy", ".3f")),
        ("verdict", False, _value("verdict")),
        ("tokens in", True, _value("prompt_tokens", ",")),
        ("tokens out", True, _value("completion_tokens", ",")),
        ("ms a request", True, _value("latency_ms_median", ",.0f")),
    ]
    return _table("Accuracy of every cell", columns, [*cells, *baselines])


def baseline_name(row: Row) -> str:
    """A yardstick by its name and the rows it is made of."""
    return f"{row['model']}, {row['train_size']} rows"


def other_scores(cells: Sequence[Row]) -> Table | None:
    """What else is known of how a cell classifies; None where nothing is."""
    names = {
        "balanced_accuracy": "balanced accuracy",
        "macro_f1": "macro F1",
        "matthews": "Matthews correlation",
        "brier": "Brier score",
        "calibration_error": "calibration error",
    }
    known = [name for name in names if any(cell.get(name) is not None for cell in cells)]
    if not known:
        return None
    columns: list[Column] = [
        ("cell", False, _cell),
        *((names[name], True, _value(name, ".3f")) for name in known),
    ]
    return _table("Other scores of every cell", columns, cells)


def readings(cells: Sequence[Row]) -> Table | None:
    """By which rule answers were read, or why by none; None where all were read by the first."""
    found = {name: None for cell in cells for name in cell.get("readings") or ()}
    if not set(found) - {"exact", "likeliest"}:
        return None
    columns: list[Column] = [
        ("cell", False, _cell),
        *((name, True, _count_of(name)) for name in found),
    ]
    return _table("How the answers of every cell were read", columns, cells)


def _count_of(reading: str) -> Callable[[Row], str]:
    return lambda row: written((row.get("readings") or {}).get(reading, 0))


def gates(cells: Iterable[Row]) -> Table | None:
    """Every check of every cell; None where there is none."""
    rows = [{"cell": cell["cell"], **gate} for cell in cells for gate in cell.get("gates") or ()]
    columns: list[Column] = [
        ("cell", False, _cell),
        ("check", False, _value("gate")),
        ("value", True, _value("value", ".4g")),
        ("limit", True, _value("limit", ".4g")),
        ("mode", False, _value("mode")),
        ("verdict", False, _value("verdict")),
        ("in words", False, _value("sentence")),
    ]
    return _table("Checks of the cells", columns, rows) if rows else None


def uplifts(rows: Sequence[Row]) -> Table:
    """Every comparison."""
    columns: list[Column] = [
        ("cell", False, _cell),
        ("over", False, _over),
        ("texts", True, _value("n")),
        ("uplift", True, _value("difference", "+.3f")),
        ("95 % interval", True, lambda row: interval(row, "+.3f")),
        ("only it right", True, _value("only_first")),
        ("only the other", True, _value("only_other")),
        ("mid-p", True, lambda row: p_value(row.get("mid_p"))),
    ]
    if any(row.get("exact_p") is not None for row in rows):
        columns.append(("exact p", True, lambda row: p_value(row.get("exact_p"))))
    columns.append(("Holm p", True, lambda row: p_value(row.get("holm_p"))))
    if any(row.get("texts_needed") is not None for row in rows):
        columns.append(("texts needed", True, _value("texts_needed", ",")))
    return _table("Uplift of every comparison, on the same texts", columns, rows)


def _over(row: Row) -> str:
    """The other cell, shortened where the model is the same."""
    other = str(row["over"])
    return other.removeprefix(f"{row['model']}-") if row["over_model"] == row["model"] else other


def sizes(rows: Sequence[Row]) -> Table:
    """Accuracy by training size."""
    columns: list[Column] = [
        ("series", False, lambda row: row["series"]),
        ("training rows", True, _value("train_size", ",")),
        ("accuracy", True, _value("accuracy", ".3f")),
        ("95 % interval", True, interval),
    ]
    return _table("Accuracy by training size", columns, rows)


def costs(rows: Sequence[Row], title: str) -> Table:
    """Accuracy against what an answer takes."""
    columns: list[Column] = [
        ("cell", False, _cell),
        (title, True, _value("spent", ",.4g")),
        ("accuracy", True, _value("accuracy", ".3f")),
    ]
    if any(row.get("training_cost") is not None for row in rows):
        columns.append(("training cost", True, _value("training_cost", ",.4g")))
    return _table(f"Accuracy and {title}", columns, rows)


def curve(name: str, steps: Sequence[Row]) -> Table:
    """Some steps of a job."""
    names = {
        "training_loss": "training loss",
        "validation_loss": "validation loss",
        "classification/accuracy": "accuracy",
    }
    known = [name for name in names if any(step.get(name) is not None for step in steps)]
    columns: list[Column] = [
        ("step", True, _value("step", ",")),
        *((names[name], True, _value(name, ".4f")) for name in known),
    ]
    return _table(f"Steps of {name}", columns, steps)


def provenance(cells: Sequence[Row]) -> Table:
    """Where each cell's answers come from."""
    columns: list[Column] = [
        ("cell", False, _cell),
        ("cassette", False, _value("cassette")),
        ("recorded", False, _value("recorded_at")),
        ("server", False, _value("server")),
        ("model asked", False, lambda row: row.get("fine_tuned_model") or row["model"]),
        ("job", False, _value("job")),
        ("trained tokens", True, _value("trained_tokens", ",")),
        ("training minutes", True, _minutes),
    ]
    return _table("Cassette of every cell", columns, cells)


def _value(name: str, form: str = "") -> Callable[[Row], str]:
    return lambda row: written(row.get(name), form)


def _minutes(row: Row) -> str:
    seconds = row.get("training_seconds")
    return NOTHING if seconds is None else f"{seconds / 60:.1f}"


def _cell(row: Row) -> str:
    return str(row["cell"])


def _table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Row],
) -> Table:
    return Table(
        caption,
        [(title, number) for title, number, _ in columns],
        [[write(row) for _, _, write in columns] for row in rows],
    )
