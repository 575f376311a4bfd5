"""The data folder: uploaded files, a folder for each job, and one SQLite database.

The database is in WAL mode: a server, its worker processes and a second server on the same folder
can read while one writes. A row holds the JSON object that the API answers with, and columns of its
own only for what is searched.
"""

import contextlib
import hashlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tunebench.server.http_errors import ApiError
from tunebench.server.tuning.storage_errors import damaged, explained, lacks_room

RESULTS = "fine-tune-results"  # the purpose of files that jobs make
_BLOCK = 1 << 20

_SCHEMA = """
BEGIN;
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
COMMIT;
"""


@dataclass(frozen=True)
class Storage:
    """A data folder, created when something is first stored in it."""

    folder: Path

    @property
    def database(self) -> Path:
        """The database; in WAL mode, there are two more files beside it."""
        return self.folder / "tunebench.sqlite3"

    @property
    def exists(self) -> bool:
        """Whether anything was ever stored here."""
        return self.database.is_file() and self.database.stat().st_size > 0

    @property
    def files(self) -> Path:
        """The folder of the files' contents; a content's name is the file's id."""
        return self.folder / "files"

    @property
    def jobs(self) -> Path:
        """The folder of the jobs' folders."""
        return self.folder / "jobs"

    def job_folder(self, job: str) -> Path:
        """The folder of a job's checkpoints and its worker's log."""
        return self.jobs / job

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with; it needs no room on the disk.

        Raises:
            ApiError: the database is lost, damaged, in use or cannot be opened.
        """
        with explained(), contextlib.closing(self._open_to_read()) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")  # so that all that is read is of one moment
            yield connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection; all that the block writes is stored, or nothing.

        Raises:
            ApiError: 507, the disk is full or the folder cannot be written; otherwise as `reading`.
        """
        with explained(), contextlib.closing(self._open_to_write()) as connection:
            connection.row_factory = sqlite3.Row
            self._has_tables(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
            # A write lock at once: a reader that starts to write later cannot always wait for one.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def _open_to_write(self) -> sqlite3.Connection:
        self._check_contents()
        for folder in (self.folder, self.files, self.jobs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made here for its mode, which SQLite gives to the two files beside it.
        os.close(private(self.database, os.O_RDWR | os.O_CREAT))
        return sqlite3.connect(self.database, timeout=30, isolation_level=None)

    def _open_to_read(self) -> sqlite3.Connection:
        self._check_contents()
        if self.exists:
            connection = sqlite3.connect(self.database, timeout=5, isolation_level=None)
            try:
                if self._has_tables(connection):
                    return connection
            except sqlite3.DatabaseError as error:
                connection.close()
                log = self.database.with_name(f"{self.database.name}-wal")
                if not lacks_room(error) or (log.exists() and log.stat().st_size):
                    raise
                # The disk has no room for the files beside the database. They hold nothing, so it
                # is whole, and nobody can change it.
                address = f"{self.database.absolute().as_uri()}?immutable=1"
                return sqlite3.connect(address, uri=True, isolation_level=None)
            connection.close()
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(_SCHEMA)
        return connection

    def _has_tables(self, connection: sqlite3.Connection) -> bool:
        """Whether this is a database of a server; refused if it has replaced one."""
        query = "SELECT 1 FROM sqlite_master WHERE name = 'models'"
        found = connection.execute(query).fetchone() is not None
        if not found:
            self._check_contents(lost=True)
        return found

    def _check_contents(self, *, lost: bool = False) -> None:
        """Refuse to make a new database beside contents: nothing in it would refer to them.

        The database is made before all contents.
        """
        if self.database.exists() and not self.database.is_file():
            raise damaged()
        if (lost or not self.exists) and any(
            any(folder.iterdir()) for folder in (self.files, self.jobs) if folder.is_dir()
        ):
            raise damaged()

    @contextlib.contextmanager
    def new_file(
        self, source: BinaryIO, filename: str, purpose: str, expires_after: int | None = None
    ) -> Iterator[tuple[sqlite3.Connection, dict[str, Any]]]:
        """Store a file, and in the same transaction whatever the block writes; all or nothing.

        `expires_after` are seconds from now.

        Yields:
            The connection, and the file's object.
        """
        with self.transaction():
            pass  # makes the folders, and the database, which comes before all contents
        name = new_id("file")
        path = self.files / name
        digest = hashlib.sha256()
        # The content is written first: a row always has one. A content without a row is removed
        # by the job queue.
        try:
            with open(path, "xb", opener=private) as file:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            made: dict[str, Any] = {
                "id": name,
                "object": "file",
                "bytes": size,
                "created_at": now(),
                "filename": filename,
                "purpose": purpose,
                "status": "processed",
            }
            if expires_after is not None:
                made["expires_at"] = made["created_at"] + expires_after
            with self.transaction() as connection:
                insert_row(connection, "files", id=name, sha256=digest.hexdigest(), object=made)
                yield connection, made
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def private(path: str | Path, flags: int) -> int:
    """Open a file that, if it is new, only this user can read; an opener for ``open``."""
    return os.open(path, flags, 0o600)


def insert_row(connection: sqlite3.Connection, table: str, **values: Any) -> None:
    """Insert a row, objects as JSON; replaces one with the same id."""
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(
        f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})",
        [json.dumps(value) if isinstance(value, dict) else value for value in values.values()],
    )


def new_id(kind: str) -> str:
    """A random id, such as ``file-3f…``."""
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
    newest_first: bool = True,
) -> tuple[list[sqlite3.Row], bool]:
    """One page of a table, and whether there is more.

    Args:
        connection: inside a transaction.
        table: one with the columns ``id`` and ``object``.
        after: the last id of the previous page, or None; 400 if there is no such row.
        limit: rows of a page.
        where: an SQL condition, with a question mark for each of ``values``.
        values: of the condition.
        newest_first: otherwise the oldest row comes first.
    """
    compare, direction = ("<", "DESC") if newest_first else (">", "ASC")
    if after is not None:
        found = connection.execute(f"SELECT seq FROM {table} WHERE id = ?", (after,)).fetchone()
        if found is None:
            raise ApiError(
                400,
                f"The parameter after is {after!r}, which is not in this list; "
                "give the last id of the previous page.",
                param="after",
            )
        where, values = f"({where}) AND seq {compare} ?", (*values, found["seq"])
    query = f"SELECT id, object FROM {table} WHERE {where} ORDER BY seq {direction} LIMIT ?"
    rows = connection.execute(query, (*values, limit + 1)).fetchall()
    return rows[:limit], len(rows) > limit


def loads(row: sqlite3.Row) -> dict[str, Any]:
    """The object of a row."""
    found: dict[str, Any] = json.loads(row["object"])
    return found


def listing(
    rows: Sequence[sqlite3.Row],
    has_more: bool,
    shown: Callable[[sqlite3.Row], dict[str, Any]] = loads,
) -> dict[str, Any]:
    """The objects of rows, as a list in OpenAI's shape."""
    return {
        "object": "list",
        "data": [shown(row) for row in rows],
        "has_more": has_more,
        "first_id": rows[0]["id"] if rows else None,
        "last_id": rows[-1]["id"] if rows else None,
    }
