"""Recorded traffic: cassettes that answer requests, and record what they lack."""

from tunebench.cassettes.comparison import differences
from tunebench.cassettes.fingerprint import (
    STORED_PARAMETERS,
    item_index,
    prompt_text,
    text_sha256,
)
from tunebench.cassettes.first_format import Converted, converted, first_format_header
from tunebench.cassettes.inspection import Inspected, inspect
from tunebench.cassettes.items_file import (
    ITEMS_NAME,
    WRITE_ITEMS,
    Item,
    ItemsFile,
    ItemsStream,
    Role,
    read_items,
)
from tunebench.cassettes.job_recorder import JobCassette
from tunebench.cassettes.line_file import lock
from tunebench.cassettes.lines import Row, checked_fields, line_of, read_header, without_rows
from tunebench.cassettes.network import blocked_network
from tunebench.cassettes.recorder import RecordedCassette
from tunebench.cassettes.rewriting import (
    prune_shards,
    put_in_place,
    remove_cassette,
    shards_of,
)
from tunebench.cassettes.store import CassetteFile
from tunebench.cassettes.switch import use_cassette
from tunebench.cassettes.totals import Totals

__all__ = [
    "ITEMS_NAME",
    "STORED_PARAMETERS",
    "WRITE_ITEMS",
    "CassetteFile",
    "Converted",
    "Inspected",
    "Item",
    "ItemsFile",
    "ItemsStream",
    "JobCassette",
    "RecordedCassette",
    "Role",
    "Row",
    "Totals",
    "blocked_network",
    "checked_fields",
    "converted",
    "differences",
    "first_format_header",
    "inspect",
    "item_index",
    "line_of",
    "lock",
    "prompt_text",
    "prune_shards",
    "put_in_place",
    "read_header",
    "read_items",
    "remove_cassette",
    "shards_of",
    "text_sha256",
    "use_cassette",
    "without_rows",
]
