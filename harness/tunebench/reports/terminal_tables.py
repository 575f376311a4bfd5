"""Tables of text for a terminal: lines with aligned columns, header first."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import TYPE_CHECKING

from tunebench.reports.alignment import GAP, aligned
from tunebench.reports.cell_rows import CellRow, RivalRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunebench.reports.alignment import Paint
    from tunebench.reports.rows import About, UpliftRow

_CELL_HEADER = ("cell", "n", "accuracy", "95 % interval", "majority")
_GATE_HEADER = ("limit", "verdict")
_COST_HEADER = ("tokens in/out", "ms/request")
_CALIBRATION_HEADER = ("calibrated cell", "texts", "added to the labels' log-probabilities")
_UPLIFT_HEADER = ("model", "cell", "over", "uplift", "95 % interval", "p", "n")
_JOB_HEADER = ("job", "trained tokens", "minutes", "fine-tuned model")

_OTHERS = "limit +N: N others; --results has them."
_BIASES = 4  # of one cell in a line


def model_table(
    cells: Sequence[CellRow], rivals: Sequence[RivalRow], width: int | None = None
) -> list[str]:
    """One line a model: its best prompt, and the best decision rule of each training size.

    Where a model was trained with several seeds, that is their mean and standard deviation. Rivals
    and the most frequent label follow. All rows are of one experiment.
    """
    prompted: dict[str, CellRow] = {}
    runs: dict[tuple[str, int], dict[str, list[float]]] = {}
    for row in cells:
        if row.train_size:
            rules = runs.setdefault((row.model, row.train_size), {})
            rules.setdefault(row.decision_rule, []).append(row.accuracy)
        elif row.model not in prompted or row.correct > prompted[row.model].correct:
            prompted[row.model] = row
    tuned = {key: _mean_and_spread(max(rules.values(), key=fmean)) for key, rules in runs.items()}
    trained = {(row.model, row.train_size): f"{row.accuracy:.3f}" for row in rivals}
    sizes = sorted({size for _, size in tuned.keys() | trained.keys()})
    models = list(dict.fromkeys(row.model for row in cells))
    name_width = max(map(len, [*models, "model"]))

    def line(first: str, best: str, found: dict[tuple[str, int], str], model: str) -> list[str]:
        return [first, best, *(found.get((model, size), "-") for size in sizes)]

    lines = []
    for model in models:
        prompt = prompted.get(model)
        best = prompt.cell.removeprefix(f"{model}-") if prompt else "-"
        interval = f"{prompt.accuracy:.3f} ({_interval(prompt)})" if prompt else "-"
        lines.append(line(f"{model.ljust(name_width)}{GAP}{best}", interval, tuned, model))
    names = dict.fromkeys(row.model for row in rivals)
    lines += [line(name, "-", trained, name) for name in names]

    rate = next((row.majority_rate for row in cells), None)
    if rate is not None:
        lines.append(line("most frequent label", f"{rate:.3f}", {}, ""))
    header = [f"{'model'.ljust(name_width)}{GAP}best prompt", "accuracy (95 %)"]
    return aligned([*header, *(f"on {size}" for size in sizes)], lines, width)


def cell_table(
    cells: Sequence[CellRow],
    rivals: Sequence[RivalRow] = (),
    width: int | None = None,
    paint: Paint | None = None,
    *,
    costs: bool = False,
) -> list[str]:
    """All cells, and the rivals below them.

    Args:
        cells: where rows are of several experiments, the first column names them, as in the other
            tables.
        rivals: what they have to beat.
        width: see `aligned`.
        paint: see `aligned`.
        costs: whether AUC, tokens and latency are shown, too. Limits are where there are some: the
            least accuracy, and the number of others, which a last line explains.
    """
    rows: list[CellRow | RivalRow] = [*cells, *rivals]
    areas = costs and any(row.auc is not None for row in cells)
    gates = any(row.min_accuracy is not None or row.verdict for row in cells)
    header = [*_CELL_HEADER, *_GATE_HEADER * gates, *("AUC",) * areas, *_COST_HEADER * costs]
    lines = [
        [
            *_accuracy_line(row),
            *_gate_line(row) * gates,
            *_area_line(row) * areas,
            *_cost_line(row) * costs,
        ]
        for row in rows
    ]
    shown = _named(header, rows, lines, width, paint=paint)
    return [*shown, *[_OTHERS] * any(map(_other_limits, cells))]


def uplift_table(uplifts: Sequence[UpliftRow], width: int | None = None) -> list[str]:
    """The comparisons that tests made."""
    return _named(_UPLIFT_HEADER, uplifts, [*map(_uplift_line, uplifts)], width, keys=3)


def job_table(cells: Iterable[CellRow], width: int | None = None) -> list[str]:
    """The jobs behind fine-tuned cells, one line each."""
    jobs = list({row.job: row for row in cells if row.job}.values())
    return _named(_JOB_HEADER, jobs, [*map(_job_line, jobs)], width)


def calibration_table(
    cells: Iterable[CellRow], experiments: Iterable[About], width: int | None = None
) -> list[str]:
    """The biases of calibrated cells, one line each; of many labels the two ends."""
    labels = {one.name: one.labels for one in experiments}
    rows = [row for row in cells if row.calibration is not None]
    lines = [_calibration_line(row, labels[row.experiment]) for row in rows]
    return _named(_CALIBRATION_HEADER, rows, lines, width)


def _named(
    header: Sequence[str],
    rows: Sequence[CellRow | RivalRow | UpliftRow],
    lines: Sequence[Sequence[str]],
    width: int | None,
    keys: int = 1,
    paint: Paint | None = None,
) -> list[str]:
    names = [row.experiment for row in rows]
    if len(set(names)) < 2:
        return aligned(header, lines, width, keys, paint)
    named = [(name, *line) for name, line in zip(names, lines, strict=True)]
    return aligned(("experiment", *header), named, width, keys + 1, paint)


def _accuracy_line(row: CellRow | RivalRow) -> tuple[str, ...]:
    # Not "ft": a rival is made of these rows, not fine-tuned on them.
    name = f"{row.model}, {row.train_size} rows" if isinstance(row, RivalRow) else row.cell
    rate = "-" if row.majority_rate is None else f"{row.majority_rate:.3f}"
    return name, str(row.n), f"{row.accuracy:.3f}", _interval(row), rate


def _area_line(row: CellRow | RivalRow) -> tuple[str, ...]:
    area = row.auc if isinstance(row, CellRow) else None
    return ("-" if area is None else f"{area:.3f}",)


def _gate_line(row: CellRow | RivalRow) -> tuple[str, ...]:
    if isinstance(row, RivalRow):
        return "-", "-"
    least = "" if row.min_accuracy is None else f"{row.min_accuracy:.3f} "
    others = _other_limits(row)
    return f"{least}{f'+{others}' if others else ''}".strip() or "-", row.verdict or "-"


def _other_limits(row: CellRow) -> int:
    return sum(gate.gate != "min_accuracy" for gate in row.gates or ())


def _cost_line(row: CellRow | RivalRow) -> tuple[str, ...]:
    if isinstance(row, RivalRow):
        return "-", "-"
    latency = row.latency_ms_median
    tokens = f"{row.prompt_tokens}/{row.completion_tokens}"
    return tokens, "-" if latency is None else f"{latency:.0f}"


def _mean_and_spread(accuracies: Sequence[float]) -> str:
    if len(accuracies) == 1:
        return f"{accuracies[0]:.3f}"
    return f"{fmean(accuracies):.3f} ±{stdev(accuracies):.3f}"


def _interval(row: CellRow | RivalRow) -> str:
    return f"{row.ci_low:.3f}-{row.ci_high:.3f}"


def _job_line(row: CellRow) -> tuple[str, ...]:
    return (
        row.cell.removesuffix(f"-{row.decision_rule}"),
        "-" if row.trained_tokens is None else f"{row.trained_tokens:,}",
        "-" if row.training_seconds is None else f"{row.training_seconds / 60:.1f}",
        row.fine_tuned_model or "-",
    )


def _calibration_line(row: CellRow, labels: Sequence[str]) -> tuple[str, ...]:
    assert row.calibration is not None
    found = sorted(zip(row.calibration.biases, labels, strict=True), reverse=True)
    shown = [f"{label} {bias:+.2f}" for bias, label in found]
    if len(shown) > _BIASES:
        shown = [shown[0], "...", shown[-1]]
    return row.cell, str(row.calibration.texts), ", ".join(shown)


def _uplift_line(row: UpliftRow) -> tuple[str, ...]:
    model = row.model
    # The model is in the first column; another model's cell keeps its full name.
    over = row.over.removeprefix(f"{model}-") if row.over_model == model else row.over
    return (
        model,
        row.cell.removeprefix(f"{model}-"),
        over,
        f"{row.difference:+.3f}",
        f"{row.ci_low:+.3f} to {row.ci_high:+.3f}",
        f"{row.p:.2g}",
        str(row.n),
    )
