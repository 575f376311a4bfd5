"""The data folder: uploaded files, the jobs' folders, and one SQLite database.

The database is in WAL mode, so that a server, its worker processes and a second server on the same
folder can read while one writes. Each value is kept as the JSON object that the API answers with;
columns beside it are only those that are searched.
"""

import contextlib
import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunebench.server.http_errors import ApiError

RESULTS = "fine-tune-results"  # the purpose of files that jobs make
UNFINISHED = ".upload-"  # how the name of a file begins while it is received

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, sha256 TEXT NOT NULL, object TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
    key TEXT, fingerprint TEXT NOT NULL, epochs_at_start INTEGER NOT NULL DEFAULT 0,
    plan TEXT NOT NULL, object TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, job TEXT NOT NULL, object TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, job TEXT NOT NULL, epoch INTEGER NOT NULL,
    object TEXT NOT NULL, UNIQUE (job, epoch));
CREATE TABLE IF NOT EXISTS models (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, job TEXT NOT NULL, base TEXT NOT NULL,
    base_sha256 TEXT NOT NULL, folder TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_of_job ON events (job, seq);
"""


@dataclass(frozen=True)
class Storage:
    """A data folder, made when something is first kept in it."""

    folder: Path

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept here."""
        return (self.folder / "tunebench.sqlite3").is_file()

    @property
    def files(self) -> Path:
        """The folder of the files' contents, named by their ids."""
        return self.folder / "files"

    def job_folder(self, job: str) -> Path:
        """The folder of a job's checkpoints and its worker's log."""
        return self.folder / "jobs" / job

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection that keeps all that is written in the block, or nothing.

        Raises:
            ApiError: 507, the disk is full or the folder can't be written.
        """
        try:
            self.files.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self.folder / "tunebench.sqlite3", timeout=30, isolation_level=None
            )
        except (OSError, sqlite3.OperationalError) as error:
            raise no_room(error) from error
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
            # Taken for writing at once: a reader that starts to write later can't always wait.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise no_room(error) from error
        finally:
            connection.close()


def no_room(error: Exception) -> ApiError:
    """The refusal when something can't be kept."""
    reason = getattr(error, "strerror", None) or str(error)
    return ApiError(
        507,
        f"The server cannot keep this ({reason}); make room on its disk, or give it another "
        "--data-dir.",
        code="no_room",
    )


def new_id(kind: str) -> str:
    """A fresh id, such as ``file-3f…``."""
    return f"{kind}-{secrets.token_hex(12)}"


def now() -> int:
    """The time in the API's whole seconds."""
    return int(time.time())


def page(
    connection: sqlite3.Connection,
    table: str,
    *,
    after: str | None,
    limit: int,
    where: str = "1",
    values: tuple[Any, ...] = (),
    columns: str = "seq, id, object",
    newest_first: bool = True,
) -> tuple[list[sqlite3.Row], bool]:
    """One page of a table, and whether there is more.

    Args:
        connection: inside a transaction.
        table: its name.
        after: the last id of the page before; None for the first page.
        limit: rows of a page.
        where: a condition, with a question mark for each of ``values``.
        values: of the condition.
        columns: what is wanted.
        newest_first: or oldest first.

    Raises:
        ApiError: 400, nothing has the id ``after``.
    """
    compare, direction = ("<", "DESC") if newest_first else (">", "ASC")
    if after is not None:
        found = connection.execute(f"SELECT seq FROM {table} WHERE id = ?", (after,)).fetchone()
        if found is None:
            raise ApiError(
                400,
                f"The parameter after names {after!r}, which is not in this list; "
                "give the last id of the page before.",
                param="after",
            )
        where, values = f"({where}) AND seq {compare} ?", (*values, found["seq"])
    query = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY seq {direction} LIMIT ?"
    rows = connection.execute(query, (*values, limit + 1)).fetchall()
    return rows[:limit], len(rows) > limit


def listing(objects: list[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    """A list in OpenAI's shape."""
    return {
        "object": "list",
        "data": objects,
        "has_more": has_more,
        "first_id": objects[0]["id"] if objects else None,
        "last_id": objects[-1]["id"] if objects else None,
    }


def loads(row: sqlite3.Row) -> dict[str, Any]:
    """The object of a row."""
    found: dict[str, Any] = json.loads(row["object"])
    return found


def add_file(connection: sqlite3.Connection, made: dict[str, Any], sha256: str) -> None:
    """Enter a file whose content is in place."""
    connection.execute(
        "INSERT INTO files (id, sha256, object) VALUES (?, ?, ?)",
        (made["id"], sha256, json.dumps(made)),
    )
