"""The queue of jobs: has a worker started for each job, and records how it ends.

Several servers may share a data folder. The one that holds the folder's lock runs the queue; when
it exits, for any reason, another takes over. A worker exits with the server that started it, so
a job that is running when the lock is taken has lost its worker and goes back into the queue.
"""

import fcntl
import logging
import os
import shutil
import signal
import sqlite3
import threading
import time

from tunebench.server.engine import Engine, JobProcess
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning import jobs
from tunebench.server.tuning.fine_tuned import FineTunedModels
from tunebench.server.tuning.gone import cancel_marked, is_marked, job_of, remove_gone
from tunebench.server.tuning.storage_errors import why

_log = logging.getLogger("tunebench.server")

_TICK_SECONDS = 0.5
_STALE_SECONDS = 3600
_CLEAN_SECONDS = 60


class JobQueue:
    """A thread that keeps up to ``slots`` workers running."""

    def __init__(self, models: FineTunedModels, engine: Engine, *, slots: int) -> None:
        self.models = models
        self.storage = models.storage
        self.engine = engine
        self._slots = slots
        self._workers: dict[str, JobProcess] = {}
        self._lock: int | None = None
        self._closing = False
        self._cleaned = float("-inf")
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Check the jobs now."""
        self._woken.set()

    def close(self) -> None:
        """End the workers. Their jobs continue with the next server on the folder."""
        self._closing = True
        self.wake()
        self._thread.join(10)

    def _run(self) -> None:
        said = ""
        try:
            while not self._closing:
                try:
                    self._look()
                    said = ""
                except (ApiError, OSError, sqlite3.Error) as error:
                    # A full disk may get room again; the jobs are still in the database.
                    if said != str(error):
                        said = str(error)
                        _log.warning("The queue of jobs waits: %s", said)
                self._woken.wait(_TICK_SECONDS)
                self._woken.clear()
        finally:
            for worker in self._workers.values():
                worker.kill()
            if self._lock is not None:
                os.close(self._lock)

    def _look(self) -> None:
        if not self.storage.exists or not self._leads():
            return
        self.models.refresh()
        for name, worker in list(self._workers.items()):
            with self.storage.reading() as connection:
                job = job_of(self.storage, jobs.find(connection, name))
            if job["status"] == "cancelled" or worker.poll() is not None:
                worker.kill()
                self._settle(name, worker.returncode or 0)
                del self._workers[name]  # last: what fails on a full disk is tried again
        cancel_marked(self.storage)
        if time.monotonic() - self._cleaned > _CLEAN_SECONDS:
            self._cleaned = time.monotonic()
            remove_gone(self.storage)
        while len(self._workers) < self._slots and self._start_next():
            pass

    def _leads(self) -> bool:
        if self._lock is not None:
            return True
        lock = os.open(self.storage.folder / "queue.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        try:
            self._recover()
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        return True

    def _recover(self) -> None:
        with self.storage.transaction() as connection:
            for row in connection.execute("SELECT id FROM jobs WHERE status = 'running'"):
                _queue_again(connection, row["id"], "The server was restarted")
            known = {row["id"] for row in connection.execute("SELECT id FROM files")}
        for path in self.storage.files.iterdir():
            # A fresh content may belong to another server that is about to insert its row.
            stale = time.time() - path.stat().st_mtime > _STALE_SECONDS
            if stale and path.name not in known:
                path.unlink(missing_ok=True)

    def _settle(self, name: str, status: int) -> None:
        """Queue a job again or fail it if its worker exited without a result."""
        for path in self.storage.job_folder(name).glob(".unfinished-*"):
            shutil.rmtree(path, ignore_errors=True)
        how = f"signal {-status}" if status < 0 else f"status {status}"
        if -status == signal.SIGKILL:
            how += " (perhaps out of memory)"
        with self.storage.transaction() as connection:
            row = jobs.find(connection, name)
            if row["status"] != "running" or is_marked(self.storage, name):
                return
            # Trying again makes sense as long as every worker finishes at least one epoch.
            if jobs.epochs_done(connection, name) > row["epochs_at_start"]:
                _queue_again(connection, name, f"The worker exited with {how}")
                return
        message = (
            f"The worker exited with {how} before the end of an epoch; see the log in the job's "
            "folder, and create the job again, perhaps with a smaller batch_size."
        )
        jobs.fail(self.storage, name, message, "worker_ended")

    def _start_next(self) -> bool:
        with self.storage.transaction() as connection:
            row = connection.execute(
                "SELECT id FROM jobs WHERE status = 'queued' ORDER BY seq LIMIT 1"
            ).fetchone()
            if row is None or self._closing:
                return False
            name = str(row["id"])
            jobs.move(connection, name, ("queued",), "running")
            done = jobs.epochs_done(connection, name)
            connection.execute("UPDATE jobs SET epochs_at_start = ? WHERE id = ?", (done, name))
            jobs.add_event(connection, name, "Fine-tuning job started")
        try:
            self._workers[name] = self.engine.start_job(name)
        except OSError as error:
            message = f"The worker could not be started ({why(error)}); create the job again."
            jobs.fail(self.storage, name, message, "worker_not_started")
        return True


def _queue_again(connection: sqlite3.Connection, name: str, why: str) -> None:
    done = jobs.epochs_done(connection, name)
    where = f"from the checkpoint of epoch {done}" if done else "from the beginning"
    jobs.move(connection, name, ("running",), "queued")
    jobs.add_event(connection, name, f"{why}; the job continues {where}.", level="warn")
