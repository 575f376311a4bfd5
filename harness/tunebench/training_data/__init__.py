"""Training files: analysis, proposals and preparation for `prepare-data`."""

from tunebench.training_data.preparation import (
    check_halves,
    free_names,
    is_part_of_a_split,
    prepare,
    split,
    without_overlap,
    write_files,
)
from tunebench.training_data.report import summarise, summary_lines
from tunebench.training_data.sources import read_rows
from tunebench.training_data.steps import Proposal, Settings
from tunebench.training_data.training_files import chat_record, record, refuse_overlap

__all__ = [
    "Proposal",
    "Settings",
    "chat_record",
    "check_halves",
    "free_names",
    "is_part_of_a_split",
    "prepare",
    "read_rows",
    "record",
    "refuse_overlap",
    "split",
    "summarise",
    "summary_lines",
    "without_overlap",
    "write_files",
]
