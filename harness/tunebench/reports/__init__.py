"""Results for people and programs: terminal, files, web page, trackers."""

from tunebench.reports.alignment import aligned
from tunebench.reports.answers import Answer, AnswerVerdict, BreakEven, DataNeed, Failure, Option
from tunebench.reports.cell_rows import CellRow, Gate, RivalRow
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
from tunebench.reports.document import VERSION, Results
from tunebench.reports.files import append_summary, refuse_unwritable, write_results
from tunebench.reports.flat_tables import columns
from tunebench.reports.markdown import comparison_markdown
from tunebench.reports.of_texts import about_lines
from tunebench.reports.page import report_bytes
from tunebench.reports.progress import SharedProgress, WholeRun, shown_progress, waited_for
from tunebench.reports.reading import (
    Judgements,
    is_of,
    judgements_of,
    read_results,
    typed_results,
)
from tunebench.reports.rows import About, Job, Skipped, UpliftRow
from tunebench.reports.terminal_tables import (
    calibration_table,
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
    "AnswerVerdict",
    "BreakEven",
    "CellRow",
    "Count",
    "DataNeed",
    "Failure",
    "Gate",
    "Job",
    "Judgements",
    "Line",
    "Name",
    "Option",
    "Part",
    "Results",
    "RivalRow",
    "Share",
    "SharedProgress",
    "Skipped",
    "Text",
    "UpliftRow",
    "WholeRun",
    "WrongJson",
    "about_lines",
    "aligned",
    "append_summary",
    "calibration_table",
    "cell_table",
    "checked",
    "columns",
    "comparison_markdown",
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
    "report_bytes",
    "shown_progress",
    "sizes_figure",
    "sizes_lines",
    "to_tensorboard",
    "to_wandb",
    "typed_results",
    "uplift_table",
    "waited_for",
    "write_results",
    "wrong",
]
