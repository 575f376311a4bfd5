"""Training files: analysis, proposals and preparation for `prepare-data`."""

from tunebench.training_data.preparation import (
    Split,
    check_halves,
    free_names,
    is_part_of_a_split,
    overlap,
    prepare,
    split,
    write_files,
)
from tunebench.training_data.report import summarise, summary_lines
from tunebench.training_data.sources import read_rows
from tunebench.training_data.steps import Proposal, Settings
from tunebench.training_data.training_files import chat_record, record, refuse_overlap

__all__ = [
    "Proposal",
    "Settings",
    "Split",
    "chat_record",
    "check_halves",
    "free_names",
    "is_part_of_a_split",
    "overlap",
    "prepare",
    "read_rows",
    "record",
    "refuse_overlap",
    "split",
    "summarise",
    "summary_lines",
    "write_files",
]
