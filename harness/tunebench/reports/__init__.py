"""Results for people and programs: terminal, files, web page, trackers."""

from tunebench.reports.about_lines import about_lines
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
from tunebench.reports.document import (
    VERSION,
    About,
    Answer,
    CellRow,
    Failure,
    Gate,
    Job,
    Results,
    RivalRow,
    Skipped,
    UpliftRow,
)
from tunebench.reports.files import refuse_unwritable, write_results
from tunebench.reports.page import write_report
from tunebench.reports.progress import shown_progress, waited_for
from tunebench.reports.reading import Judgements, is_of, judgements_of, read_results
from tunebench.reports.terminal_tables import (
    aligned,
    cell_table,
    job_table,
    model_table,
    uplift_table,
)
from tunebench.reports.trackers import to_tensorboard, to_wandb

__all__ = [
    "VERSION",
    "About",
    "Answer",
    "CellRow",
    "Count",
    "Failure",
    "Gate",
    "Job",
    "Judgements",
    "Line",
    "Name",
    "Part",
    "Results",
    "RivalRow",
    "Share",
    "Skipped",
    "Text",
    "UpliftRow",
    "WrongJson",
    "about_lines",
    "aligned",
    "cell_table",
    "checked",
    "finite",
    "is_of",
    "job_figure",
    "job_lines",
    "job_table",
    "judgements_of",
    "model_table",
    "parsed",
    "read_results",
    "refuse_unwritable",
    "render",
    "shown_progress",
    "sizes_figure",
    "sizes_lines",
    "to_tensorboard",
    "to_wandb",
    "uplift_table",
    "waited_for",
    "write_report",
    "write_results",
    "wrong",
]
