"""The fine-tuned models that are served: a base model's weights with an adapter."""

import contextlib
import shutil
import sqlite3
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from tunebench.errors import ConfigurationError
from tunebench.server.http_errors import ApiError, check_served
from tunebench.server.inference.language_model import LanguageModel
from tunebench.server.inference.models import ModelRegistry
from tunebench.server.tuning import jobs
from tunebench.server.tuning.storage import Storage, loads
from tunebench.server.tuning.storage_errors import NO_ROOM


class FineTunedModels:
    """Keeps the registry's fine-tuned models the same as in the database.

    Attributes:
        rows: of the models, by name; another dict after every change.
    """

    def __init__(self, storage: Storage, registry: ModelRegistry) -> None:
        self.storage = storage
        self.registry = registry
        self.rows: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        with contextlib.suppress(ApiError):
            self.refresh()

    @property
    def served(self) -> Collection[str]:
        """The names of all models that are served, base models included."""
        return self.registry.sources

    def refresh(self) -> None:
        """Register new models and unregister deleted ones."""
        if not self.storage.exists:
            return
        with self._lock:
            with self.storage.reading() as connection:
                rows = connection.execute("SELECT * FROM models ORDER BY seq").fetchall()
            # A server can only serve a model whose base it was started with.
            bases = set(self.registry.sources) - self.rows.keys()
            found = {row["id"]: dict(row) for row in rows if row["base"] in bases}
            for name in self.rows.keys() - found.keys():
                self.registry.unregister(name)
            for name, row in found.items():
                if name not in self.rows:
                    self.registry.register(name, row["base"], maker(self.storage.folder, row))
            if found != self.rows:
                self.rows = found

    def delete(self, name: str) -> None:
        """Delete a model; with the one that a job has made, all of the job's checkpoints.

        Raises:
            ApiError: there is no such model, the server was started with it, or its job still
                needs it.
        """
        check_served(name, self.served)
        try:
            folders = self._forget(name)
        except ApiError as error:
            if error.code != NO_ROOM:
                raise
            # On a full disk the weights go first, which makes room for the change of the rows.
            with self.storage.reading() as connection:
                self._remove(_unused_folders(connection, _with_checkpoints(connection, name)))
            folders = self._forget(name)
        self._remove(folders)
        self.refresh()

    def _forget(self, name: str) -> list[str]:
        """Delete the rows of a model and its checkpoints; the folders that nothing needs now."""
        with self.storage.transaction() as connection:
            rows = _with_checkpoints(connection, name)
            folders = _unused_folders(connection, rows)
            for row in rows:
                connection.execute("DELETE FROM models WHERE id = ?", (row["id"],))
                checkpoint = "json_extract(object, '$.fine_tuned_model_checkpoint')"
                connection.execute(f"DELETE FROM checkpoints WHERE {checkpoint} = ?", (row["id"],))
            # The job's key is free again: creating the job again must train again.
            made = "json_extract(object, '$.fine_tuned_model') = ?"
            connection.execute(
                f"UPDATE jobs SET key = NULL WHERE id = ? AND {made}", (rows[0]["job"], name)
            )
        return folders

    def _remove(self, folders: Sequence[str]) -> None:
        for folder in folders:
            shutil.rmtree(self.storage.folder / folder, ignore_errors=True)

    def base(self, name: str) -> dict[str, Any]:
        """What a worker needs to load a base model; refuses a fine-tuned one."""
        check_served(name, self.served)
        if name in self.rows:
            message = f"The model {name} is itself fine-tuned; name its base model."
            raise ApiError(400, message, param="model")
        dtype = str(self.registry.dtype).removeprefix("torch.")
        source = self.registry.sources[name]
        if Path(source).expanduser().exists():
            source = str(Path(source).expanduser().resolve())
        return {"source": source, "dtype": dtype}


def _with_checkpoints(connection: sqlite3.Connection, name: str) -> list[sqlite3.Row]:
    """The row of a model, and if it is a job's result, of all other models of the job."""
    row = connection.execute("SELECT * FROM models WHERE id = ?", (name,)).fetchone()
    if row is None:
        raise ApiError(
            403,
            f"The server was started with the model {name}; only fine-tuned models can be deleted.",
            param="model",
        )
    job = jobs.find(connection, row["job"])
    if job["status"] in jobs.ACTIVE:
        message = f"The job {job['id']} still needs its checkpoints; cancel it or wait for its end."
        raise ApiError(409, message, param="model", code="model_in_use")
    if loads(job)["fine_tuned_model"] != name:
        return [row]
    return connection.execute("SELECT * FROM models WHERE job = ?", (row["job"],)).fetchall()


def _unused_folders(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> list[str]:
    """The folders of models that no other model has."""
    ids = {row["id"] for row in rows}
    others = connection.execute("SELECT id, folder FROM models").fetchall()
    needed = {row["folder"] for row in others if row["id"] not in ids}
    return sorted({str(row["folder"]) for row in rows} - needed)


def maker(data: Path, row: dict[str, Any]) -> Callable[[LanguageModel], LanguageModel]:
    """What makes a fine-tuned model of its base; the row's folder is in ``data``."""

    def make(base: LanguageModel) -> LanguageModel:
        # Importing peft is slow, and a server without fine-tuned models never needs it.
        from tunebench.server.tuning.lora import adapted

        if base.sha256 != row["base_sha256"]:
            raise ConfigurationError(
                f"the model {row['id']} was trained on other weights than those now served as "
                f"{row['base']}",
                hint="serve the old weights, or delete the model and train it again",
            )
        return adapted(base, row["id"], data / row["folder"])

    return make
