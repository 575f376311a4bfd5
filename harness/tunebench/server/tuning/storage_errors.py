"""Errors of the data folder and its database, as refusals that name no path."""

import contextlib
import sqlite3
from collections.abc import Iterator

from tunebench.server.http_errors import ApiError

NO_ROOM = "no_room"  # the error code of what cannot be stored
_NO_ROOM_CODES = (
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN),
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
)


def why(error: OSError) -> str:
    """The reason of an error; its text may hold a path, which is nothing for a client."""
    return error.strerror or type(error).__name__


def no_room(error: Exception) -> ApiError:
    """The refusal when something cannot be stored."""
    reason = why(error) if isinstance(error, OSError) else str(error)
    return ApiError(
        507,
        f"The server cannot store this ({reason}); make room in its --data-dir and in the folder "
        "of temporary files.",
        code=NO_ROOM,
    )


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raise SQLite's errors, and those of the folder, as refusals."""
    try:
        yield
    except OSError as error:
        raise no_room(error) from error
    except sqlite3.DatabaseError as error:
        if not error_code(error):
            raise  # of the module sqlite3, not of a database
        if lacks_room(error):
            raise no_room(error) from error
        if error_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise ApiError(
                503,
                "The database in the server's --data-dir is in use by another program; try again.",
                code="database_busy",
            ) from error
        raise damaged() from error


def damaged() -> ApiError:
    """The refusal when the database cannot be used."""
    return ApiError(
        500,
        "The database in the server's --data-dir is damaged or lost; stop the server and put a "
        "copy of it in its place, or move the folder away to begin with an empty one.",
        code="database_damaged",
    )


def lacks_room(error: sqlite3.Error) -> bool:
    """Whether the disk is full, or the folder cannot be used."""
    return error_code(error) in _NO_ROOM_CODES


def error_code(error: sqlite3.Error) -> int:
    """SQLite's primary error code; 0 if it is not known."""
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
