"""The fine-tuned models that are served: a base model's weights with an adapter."""

import contextlib
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from tunebench.errors import ConfigurationError
from tunebench.server.http_errors import ApiError, check_served
from tunebench.server.inference.models import LanguageModel, ModelRegistry
from tunebench.server.tuning.storage import Storage


class FineTunedModels:
    """Keeps the registry's fine-tuned models the same as in the database."""

    def __init__(self, storage: Storage, registry: ModelRegistry) -> None:
        self.storage = storage
        self._registry = registry
        self._known: set[str] = set()
        self._lock = threading.Lock()
        with contextlib.suppress(ApiError):
            self.refresh()

    @property
    def served(self) -> Collection[str]:
        """The names of all models that are served, base models included."""
        return self._registry.sources

    def refresh(self) -> None:
        """Register new models and unregister deleted ones."""
        if not self.storage.exists:
            return
        with self._lock:
            with self.storage.transaction() as connection:
                rows = connection.execute("SELECT * FROM models ORDER BY seq").fetchall()
            # A server can only serve a model whose base it was started with.
            bases = set(self._registry.sources) - self._known
            rows = [row for row in rows if row["base"] in bases]
            for name in self._known - {row["id"] for row in rows}:
                self._registry.unregister(name)
            for row in rows:
                if row["id"] not in self._known:
                    self._registry.register(
                        row["id"], row["base"], _maker(self.storage.folder, dict(row))
                    )
            self._known = {row["id"] for row in rows}

    def base(self, name: str) -> dict[str, Any]:
        """What a worker needs to load a base model; refuses a fine-tuned one."""
        check_served(name, self.served)
        if name in self._known:
            message = f"The model {name} is itself fine-tuned; name its base model."
            raise ApiError(400, message, param="model")
        dtype = str(self._registry.dtype).removeprefix("torch.")
        source = self._registry.sources[name]
        if Path(source).expanduser().exists():
            source = str(Path(source).expanduser().resolve())
        return {"source": source, "dtype": dtype}


def _maker(data: Path, row: dict[str, Any]) -> Callable[[LanguageModel], LanguageModel]:
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
