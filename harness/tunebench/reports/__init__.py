"""Results for people and programs: terminal, files, web page, trackers."""

from tunebench.reports.checked_json import (
    Count,
    Line,
    Name,
    Part,
    Share,
    Text,
    WrongJson,
    checked,
    finite,
    parsed,
    wrong,
)
from tunebench.reports.curves_figure import job_figure, render, sizes_figure
from tunebench.reports.curves_text import job_lines, sizes_lines
from tunebench.reports.files import (
    Judgements,
    is_of,
    judgements_of,
    read_results,
    refuse_unwritable,
    write_results,
)
from tunebench.reports.page import write_report
from tunebench.reports.progress import shown_progress, waited_for
from tunebench.reports.terminal_tables import aligned, job_table, table, uplift_table
from tunebench.reports.trackers import to_tensorboard, to_wandb

__all__ = [
    "Count",
    "Judgements",
    "Line",
    "Name",
    "Part",
    "Share",
    "Text",
    "WrongJson",
    "aligned",
    "checked",
    "finite",
    "is_of",
    "job_figure",
    "job_lines",
    "job_table",
    "judgements_of",
    "parsed",
    "read_results",
    "refuse_unwritable",
    "render",
    "shown_progress",
    "sizes_figure",
    "sizes_lines",
    "table",
    "to_tensorboard",
    "to_wandb",
    "uplift_table",
    "waited_for",
    "write_report",
    "write_results",
    "wrong",
]
