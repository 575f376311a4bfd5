"""The data folder when a server starts: private, and its database whole."""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from tunebench.errors import ConfigurationError
from tunebench.local_models import KEY_FILE
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning.storage import Storage
from tunebench.server.tuning.storage_errors import NO_ROOM, error_code, why


def prepare(storage: Storage) -> None:
    """Let only this user into an existing folder, and check its database.

    A full disk is accepted: its files can still be listed and deleted.

    Raises:
        ConfigurationError: the folder cannot be used, or the database is damaged, lost, locked or
            cannot be opened.
    """
    try:
        if storage.folder.exists():
            _narrow(storage)
            _check(storage)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder cannot be used ({why(error)})",
            where=error.filename or storage.folder,
            hint="make it this user's own, or give another --data-dir",
        ) from error


def _narrow(storage: Storage) -> None:
    if not storage.folder.is_dir():
        raise ConfigurationError(
            "the data folder must be a folder", where=storage.folder, hint="give another --data-dir"
        )
    shared = storage.folder.stat().st_mode & stat.S_ISVTX
    if shared and not storage.exists and any(storage.folder.iterdir()):
        # As /tmp, which others need. A new disk may have this mode, too, but is empty.
        raise ConfigurationError(
            "this folder is for all users, and the data folder only for one",
            where=storage.folder,
            hint="give --data-dir a folder of its own",
        )
    for path in _own(storage):
        # A worker of another server on this folder may just have removed it.
        with contextlib.suppress(FileNotFoundError):
            if not path.is_symlink() and path.stat().st_mode & 0o077:
                path.chmod(0o700 if path.is_dir() else 0o600)


def _own(storage: Storage) -> Iterator[Path]:
    """The folder and what the server has made in it; there may be other files."""
    yield storage.folder
    yield from storage.folder.glob(f"{storage.database.name}*")
    for name in ("queue.lock", KEY_FILE):
        yield from storage.folder.glob(name)
    for top in (storage.files, storage.jobs):
        for folder, _, names in os.walk(top):
            yield Path(folder)
            yield from (Path(folder, name) for name in names)


def _check(storage: Storage) -> None:
    try:
        with storage.reading() as connection:
            damage = [row[0] for row in connection.execute("PRAGMA quick_check(1)")] != ["ok"]
    except ApiError as error:
        if error.code == "database_busy":
            raise ConfigurationError(
                "the database is locked by another program",
                where=storage.database,
                hint="stop that program, or give another --data-dir",
            ) from error
        if error.code == NO_ROOM:
            cause, full = error.__cause__, (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
            if isinstance(cause, sqlite3.Error) and error_code(cause) in full:
                return
            raise ConfigurationError(
                "the database cannot be opened",
                where=storage.database,
                hint="let this user read and write it, or give another --data-dir",
            ) from error
        damage = True
    if damage:
        raise ConfigurationError(
            "the database is damaged or lost",
            where=storage.database,
            hint="put a copy of it in its place, or move the folder away to begin with an empty "
            "one",
        )
