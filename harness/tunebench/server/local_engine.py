"""The engine of one machine: a thread that answers, and a process for each job."""

import subprocess
import sys
from collections.abc import Sequence

from fastapi import APIRouter

from tunebench.server.engine import JobProcess
from tunebench.server.http.model_routes import model_routes
from tunebench.server.inference.models import ModelRegistry
from tunebench.server.inference.queue import Worker
from tunebench.server.tuning.storage import Storage, private


class LocalEngine:
    """Computes on this machine."""

    def __init__(
        self, registry: ModelRegistry, worker: Worker, storage: Storage, *, kept_bytes: int
    ) -> None:
        self._registry = registry
        self._worker = worker
        self._storage = storage
        self._kept_bytes = kept_bytes

    def routers(self) -> Sequence[APIRouter]:
        """The routes, answered by the worker's thread."""
        return model_routes(self._registry, self._worker)

    @property
    def loaded(self) -> Sequence[str]:
        """Those of the registry."""
        return list(self._registry.loaded)

    def check_job(self) -> None:
        """Nothing to refuse: a job that waits for memory or a core starts nevertheless."""

    def start_job(self, name: str) -> JobProcess:
        """Start a worker process."""
        folder = self._storage.job_folder(name)
        folder.mkdir(mode=0o700, exist_ok=True)
        command = [sys.executable, "-m", "tunebench.server.tuning.worker", "--job", name]
        command += ["--data-dir", str(self._storage.folder), "--keep-bytes", str(self._kept_bytes)]
        with open(folder / "log", "ab", opener=private) as log:
            # The worker watches its input: when this process exits, for any reason, it closes.
            return _Process(command, stdin=subprocess.PIPE, stdout=log, stderr=log)

    def close(self, timeout: float) -> bool:
        """End the thread; a forward pass or the loading of a model cannot be interrupted."""
        return self._worker.close(timeout)


class _Process(subprocess.Popen[bytes]):
    def kill(self) -> None:
        super().kill()
        self.communicate()  # closes its input as well
