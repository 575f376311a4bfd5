"""The process of one job: ``python -m tunebench.server.tuning.worker --data-dir FOLDER --job ID``.

It reads its job from the database and writes everything there. It exits when its standard input
closes, that is when the server that started it exits.
"""

import argparse
import fcntl
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tunebench.errors import TunebenchError
from tunebench.server.http_errors import ApiError, sentence
from tunebench.server.tuning import jobs
from tunebench.server.tuning.journal import DatabaseJournal, GoneError
from tunebench.server.tuning.run import train, work_of
from tunebench.server.tuning.storage import Storage
from tunebench.server.tuning.storage_errors import why


def _run(storage: Storage, name: str, kept_bytes: int) -> None:
    work = work_of(storage, name, kept_bytes)
    journal = DatabaseJournal(storage, name)
    start = journal.epoch_folder(work.done) if work.done else None
    train(work, journal, lambda trainer, epoch: trainer.save(journal.epoch_folder(epoch)), start)


def _watch_input() -> None:
    sys.stdin.buffer.read()
    os._exit(3)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a job; its result, or its error, is in the database then."""
    parser = argparse.ArgumentParser(prog="python -m tunebench.server.tuning.worker")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--job", required=True)
    parser.add_argument("--keep-bytes", type=int, default=2 << 30)
    options = parser.parse_args(argv)
    threading.Thread(target=_watch_input, daemon=True).start()
    os.umask(0o077)  # the checkpoints are only for the user, as the whole data folder
    storage = Storage(options.data_dir)
    # The previous worker, if its server was killed, may need a moment to exit.
    with (storage.job_folder(options.job) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            _run(storage, options.job, options.keep_bytes)
        except GoneError:
            return 0
        except (TunebenchError, ApiError) as error:
            message = sentence(error) if isinstance(error, TunebenchError) else str(error)
            jobs.fail(storage, options.job, message)
        except OSError as error:
            jobs.fail(
                storage,
                options.job,
                f"The job's files cannot be written or read ({why(error)}); make room on "
                "the server's disk and create the job again.",
                "no_room",
            )
        except MemoryError:
            message = "The server's memory is too small; create the job with a smaller batch_size."
            jobs.fail(storage, options.job, message, "no_memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
