"""Fine-tuning, all of it, as the server's command and its application see it."""

import argparse
from pathlib import Path

from fastapi import FastAPI

from tunebench.server.http.file_routes import file_routes
from tunebench.server.http.job_routes import job_routes, model_routes
from tunebench.server.inference.models import ModelRegistry
from tunebench.server.tuning.fine_tuned import FineTunedModels
from tunebench.server.tuning.job_queue import JobQueue
from tunebench.server.tuning.storage import Storage


class FineTuning:
    """The data folder, the queue, and the routes to them."""

    def __init__(
        self,
        registry: ModelRegistry,
        folder: Path,
        *,
        max_file: int = 512 << 20,
        slots: int = 1,
        kept_bytes: int = 2 << 30,
    ) -> None:
        self._storage = Storage(folder.expanduser().resolve())
        self._max_file = max_file
        self._models = FineTunedModels(self._storage, registry)
        self._queue = JobQueue(self._storage, self._models, slots=slots, kept_bytes=kept_bytes)

    def add_routes(self, app: FastAPI) -> None:
        """Add ``/v1/files``, ``/v1/fine_tuning/jobs`` and ``DELETE /v1/models/…``."""
        app.include_router(file_routes(self._storage, self._max_file))
        app.include_router(job_routes(self._storage, self._queue, self._models))
        app.include_router(model_routes(self._storage, self._models))

    def close(self) -> None:
        """End the workers; their jobs go on with the next server on the folder."""
        self._queue.close()


def from_options(registry: ModelRegistry, options: argparse.Namespace) -> FineTuning:
    """Fine-tuning with the options of ``training_options.add_arguments``."""
    return FineTuning(
        registry,
        options.data_dir,
        max_file=options.max_file,
        slots=options.training_jobs,
        kept_bytes=options.keep_bytes,
    )
