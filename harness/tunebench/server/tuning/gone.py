"""Files and jobs that are over before their rows say so.

A file that has expired, and one that was deleted while the disk was full, still has its row. A job
that was cancelled while the disk was full is marked by an empty file, which needs no room.
"""

import os
import sqlite3
from pathlib import Path
from typing import Any

from tunebench.server.http_errors import ApiError
from tunebench.server.tuning import jobs
from tunebench.server.tuning.storage import Storage, loads, now, private
from tunebench.server.tuning.storage_errors import NO_ROOM, no_room

_MARK = ".cancelled"


def is_gone(storage: Storage, row: sqlite3.Row) -> bool:
    """Whether a file has expired, or was deleted while the disk was full."""
    return loads(row).get("expires_at", now() + 1) <= now() or _is_emptied(storage, row["id"])


def user_of(storage: Storage, connection: sqlite3.Connection, file: str) -> str | None:
    """The id of an active job that needs a file."""
    rows = connection.execute(
        f"SELECT id FROM jobs WHERE status IN {jobs.ACTIVE} AND ? IN "
        "(json_extract(object, '$.training_file'), json_extract(object, '$.validation_file'))",
        (file,),
    )
    return next((str(row["id"]) for row in rows if not is_marked(storage, row["id"])), None)


def remove_gone(storage: Storage) -> None:
    """Delete what is left of files that are gone, except for those that an active job needs."""
    with storage.transaction() as connection:
        gone = [
            str(row["id"])
            for row in connection.execute("SELECT id, object FROM files").fetchall()
            if is_gone(storage, row) and user_of(storage, connection, row["id"]) is None
        ]
        connection.executemany("DELETE FROM files WHERE id = ?", [(one,) for one in gone])
    for name in gone:
        (storage.files / name).unlink(missing_ok=True)


def cancel(storage: Storage, name: str) -> dict[str, Any]:
    """Cancel a job, even on a full disk; its object then. 400 if it is over already."""
    try:
        with storage.transaction() as connection:
            _check_active(storage, jobs.find(connection, name))
            jobs.cancel(connection, name)
    except ApiError as error:
        if error.code != NO_ROOM:
            raise
        with storage.reading() as connection:
            _check_active(storage, jobs.find(connection, name))
        try:
            os.close(private(_mark(storage, name), os.O_WRONLY | os.O_CREAT))
        except OSError as problem:
            raise no_room(problem) from problem
    with storage.reading() as connection:
        return job_of(storage, jobs.find(connection, name))


def cancel_marked(storage: Storage) -> None:
    """Write into the database which jobs were cancelled while the disk was full."""
    for path in storage.jobs.glob(f"*{_MARK}"):
        with storage.transaction() as connection:
            jobs.cancel(connection, path.name.removesuffix(_MARK))
        path.unlink(missing_ok=True)


def is_marked(storage: Storage, name: str) -> bool:
    """Whether a job was cancelled while the disk was full."""
    return _mark(storage, name).exists()


def job_of(storage: Storage, row: sqlite3.Row) -> dict[str, Any]:
    """The object of a job's row."""
    job = loads(row)
    if job["status"] in jobs.ACTIVE and is_marked(storage, row["id"]):
        finished = int(_mark(storage, row["id"]).stat().st_mtime)
        job |= {"status": "cancelled", "finished_at": finished, "estimated_finish": None}
    return job


def _check_active(storage: Storage, row: sqlite3.Row) -> None:
    if (status := job_of(storage, row)["status"]) not in jobs.ACTIVE:
        message = f"The job {row['id']} cannot be cancelled; its status is already {status}."
        raise ApiError(400, message, code="job_finished")


def _mark(storage: Storage, name: str) -> Path:
    return storage.jobs / f"{name}{_MARK}"


def _is_emptied(storage: Storage, file: str) -> bool:
    """No other content is empty."""
    try:
        return (storage.files / file).stat().st_size == 0
    except OSError:
        return False
