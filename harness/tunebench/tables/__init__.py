"""Tables: text columns of .csv, .jsonl, .parquet and other files, by row."""

from tunebench.tables.strings import Strings, Values, are_different
from tunebench.tables.table import Table
from tunebench.tables.values import Record, not_json

__all__ = ["Record", "Strings", "Table", "Values", "are_different", "not_json"]
