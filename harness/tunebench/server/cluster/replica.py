"""A replica of Ray Serve: the routes that need a model, with models of its own."""

import asyncio
import contextlib
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch
from fastapi import FastAPI, Request
from fastapi.responses import Response
from ray import serve

from tunebench.errors import TunebenchError
from tunebench.server.cluster.calls import Call, Part, answered
from tunebench.server.cluster.connection import node_name
from tunebench.server.http.model_routes import model_routes
from tunebench.server.http_errors import ApiError, add_error_handlers, sentence
from tunebench.server.inference.language_model import LanguageModel
from tunebench.server.inference.models import ModelRegistry, choose_dtype
from tunebench.server.inference.queue import Worker
from tunebench.server.tuning.fine_tuned import maker

_MODELS = 16
"""Models that a replica keeps in memory; the one that was asked the longest ago is dropped."""


@dataclass(frozen=True)
class ReplicaSettings:
    """What a replica computes with: the options of the same names of the local server."""

    sources: dict[str, str]
    dtype: str
    int8: bool
    batch_tokens: int
    deterministic: bool
    threads: int


@dataclass(frozen=True)
class Tuned:
    """The fine-tuned models that are served: the rows of the database, and which state of them."""

    version: int
    rows: Any  # a reference to a dict of name to row


class _Held:
    """A model in Serve's list; when Serve drops it, so does the registry."""

    def __init__(self, registry: ModelRegistry, name: str) -> None:
        self._registry = registry
        self._name = name

    def __del__(self) -> None:
        self._registry.drop(self._name)


class Replica:
    """Answers calls; the models that it holds are known to Serve, which sends their calls here."""

    def __init__(self, settings: ReplicaSettings) -> None:
        torch.set_num_threads(settings.threads)
        self._registry = ModelRegistry(
            dict(settings.sources), choose_dtype(settings.dtype), int8=settings.int8
        )
        self._worker = Worker(
            batch_tokens=settings.batch_tokens, deterministic=settings.deterministic
        )
        self._app = self._application()
        self._version = 0
        self._rows: dict[str, dict[str, Any]] = {}
        self._adapters: dict[str, Any] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="tunebench-adapters-"))

    async def answer(
        self, call: Call, name: str, tuned: Tuned, adapter: list[Any]
    ) -> AsyncGenerator[Part, None]:
        """The parts of the answer to a call.

        Args:
            call: the client's.
            name: of the model that it asks.
            tuned: all fine-tuned models that are served now.
            adapter: a reference to the files of the model's adapter, if it has one; in a list, in
                which Ray does not fetch it.
        """
        if tuned.version > self._version:
            self._take(tuned.version, await tuned.rows)
        if adapter:
            self._adapters[name] = adapter[0]
        if name in self._registry.sources:
            with contextlib.suppress(TunebenchError):  # the routes raise it again
                await self.held(name)
        async with contextlib.aclosing(answered(self._app, call)) as parts:
            async for part in parts:
                yield part

    @serve.multiplexed(max_num_models_per_replica=_MODELS)  # type: ignore[untyped-decorator]
    async def held(self, name: str) -> _Held:
        """Load a model; called through Serve's list of those that are loaded."""
        await asyncio.wrap_future(self._worker.call(lambda: self._registry.get(name)))
        return _Held(self._registry, name)

    def _application(self) -> FastAPI:
        app = FastAPI()
        add_error_handlers(app)
        for router in model_routes(self._registry, self._worker):
            app.include_router(router)

        @app.exception_handler(TunebenchError)
        async def not_loaded(_: Request, error: TunebenchError) -> Response:
            message = f"On the node {node_name()}: {sentence(error)}"
            return ApiError(500, message, code="model_not_loaded").response()

        return app

    def _take(self, version: int, rows: dict[str, dict[str, Any]]) -> None:
        """Serve the fine-tuned models that the front serves, in the same order."""
        self._version = version
        for name in self._rows.keys() - rows.keys():
            self._registry.unregister(name)
            self._adapters.pop(name, None)
        for name in rows.keys() - self._rows.keys():
            self._registry.register(name, rows[name]["base"], self._maker(rows[name]))
        sources = self._registry.sources
        bases = {name: source for name, source in sources.items() if name not in rows}
        self._registry.sources = bases | {name: sources[name] for name in rows}
        self._rows = rows

    def _maker(self, row: dict[str, Any]) -> Callable[[LanguageModel], LanguageModel]:
        def make(base: LanguageModel) -> LanguageModel:
            folder = self._folder / secrets.token_hex(8)
            folder.mkdir()
            try:
                for file, content in ray.get(self._adapters[row["id"]]).items():
                    (folder / file).write_bytes(content)
                return maker(self._folder, {**row, "folder": folder.name})(base)
            finally:
                shutil.rmtree(folder)

        return make
