"""Fine-tuned models among those that are served: a base's weights and an adapter beside them."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunebench.errors import TunebenchError
from tunebench.server.http_errors import ApiError
from tunebench.server.inference.models import LanguageModel, ModelRegistry
from tunebench.server.tuning.storage import Storage


class FineTunedModels:
    """Keeps the registry's fine-tuned names as they are in the database."""

    def __init__(self, storage: Storage, registry: ModelRegistry) -> None:
        self._storage = storage
        self._registry = registry
        self._known: set[str] = set()
        self._lock = threading.Lock()
        with contextlib.suppress(ApiError):
            self.refresh()

    def refresh(self) -> None:
        """Register what has been made and unregister what has been deleted."""
        if not self._storage.exists:
            return
        with self._lock:
            with self._storage.transaction() as connection:
                rows = connection.execute("SELECT * FROM models ORDER BY seq").fetchall()
            # A model whose base this server was not started with waits for one that has it.
            served = set(self._registry.sources) - self._known
            rows = [row for row in rows if row["base"] in served]
            for name in self._known - {row["id"] for row in rows}:
                self._registry.unregister(name)
            for row in rows:
                if row["id"] not in self._known:
                    self._registry.register(
                        row["id"], row["base"], _maker(self._storage.folder, dict(row))
                    )
            self._known = {row["id"] for row in rows}

    def check(self, name: str) -> None:
        """404 for a model that is not served."""
        if name not in self._registry.sources:
            raise ApiError(
                404,
                f"The model {name!r} is not served here; there are: "
                f"{', '.join(self._registry.sources)}.",
                param="model",
                code="model_not_found",
            )

    def base(self, name: str) -> dict[str, Any]:
        """What a worker must know of a model to train it; refuses one that is fine-tuned."""
        self.check(name)
        if name in self._known:
            raise ApiError(
                400,
                f"The model {name} is fine-tuned itself; train the model that it was made from.",
                param="model",
            )
        dtype = str(self._registry.dtype).removeprefix("torch.")
        source = self._registry.sources[name]
        if Path(source).expanduser().exists():
            source = str(Path(source).expanduser().resolve())
        return {"source": source, "dtype": dtype}


def _maker(data: Path, row: dict[str, Any]) -> Callable[[LanguageModel], LanguageModel]:
    def make(base: LanguageModel) -> LanguageModel:
        # Late: peft takes a moment, and a server without fine-tuned models never needs it.
        from tunebench.server.tuning.lora import adapted

        if base.sha256 != row["base_sha256"]:
            raise TunebenchError(
                f"The model {row['id']} was trained on other weights than those that are served "
                f"as {row['base']} now; serve the old ones, or delete it and train again."
            )
        return adapted(base, row["id"], data / row["folder"])

    return make
