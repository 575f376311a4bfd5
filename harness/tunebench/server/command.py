"""The command ``python -m tunebench.server``: the socket, the engine, a clean shutdown."""

import argparse
import contextlib
import importlib.util
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import TYPE_CHECKING, Any

from tunebench.errors import ConfigurationError, TunebenchError, UsageError
from tunebench.local_models import (
    DEFAULT,
    KEY_FILE,
    MODELS,
    get,
    server_key,
    where,
)
from tunebench.server.options import check_engine

if TYPE_CHECKING:
    from tunebench.server.engine import Engine
    from tunebench.server.inference.models import ModelRegistry
    from tunebench.server.tuning.fine_tuned import FineTunedModels

_INTERRUPTED = 130
_INSTALL_RAY = "run `pip install 'tunebench[local,ray]'` here and on every node"


def serve(options: argparse.Namespace, *, download: bool) -> int:
    """Serve until interrupted; 130 after SIGINT (Ctrl-C), 2 after an error that the user can fix.

    Args:
        options: those of `add_arguments`.
        download: whether missing weights of built-in models are downloaded first; otherwise a
            request for such a model is answered with an error.

    Raises:
        SystemExit: after SIGTERM, with code 0.
    """
    try:
        signal.signal(signal.SIGTERM, _terminate)
        if options.stop_with_stdin:
            threading.Thread(target=_stop_with_stdin, daemon=True).start()
        return _serve(options, download)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except TunebenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _serve(options: argparse.Namespace, download: bool) -> int:
    sources = _sources(options.model)
    check_engine(options)
    if options.engine == "ray" and importlib.util.find_spec("ray") is None:
        raise ConfigurationError("--engine ray needs the ray extra", hint=_INSTALL_RAY)
    # Before the slow imports: a port in use or a damaged database is reported at once.
    listener = _bind(options.host, options.port)
    # The threads of a pass wait for each other by spinning, which on a busy machine takes the time
    # of those with work; without any, each pass is slower on an idle one. GNU's OpenMP reads this
    # when PyTorch is loaded.
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ):
        os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="2500")
    try:
        from tunebench.server.tuning.data_folder import prepare
        from tunebench.server.tuning.storage import Storage

        storage = Storage(options.data_dir.expanduser().resolve())
        prepare(storage)
        api_key = options.api_key or server_key(storage.folder)

        import torch
        import uvicorn

        from tunebench.server.http.app import create_app
        from tunebench.server.http.connections import configuration
        from tunebench.server.inference.models import ModelRegistry, choose_dtype
        from tunebench.server.tuning.fine_tuned import FineTunedModels
        from tunebench.server.tuning.job_queue import JobQueue
    except ImportError as error:
        raise ConfigurationError(
            f"the server needs the local extra ({error})",
            hint="run `pip install 'tunebench[local]'`",
        ) from error

    if download:
        for source in sources.values():
            if source in MODELS:
                get(MODELS[source], lambda line: print(line, file=sys.stderr, flush=True))
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if options.threads:
        torch.set_num_threads(options.threads)
    dtype = choose_dtype(options.dtype)
    registry = ModelRegistry(sources, dtype, int8=not options.deterministic)
    models = FineTunedModels(storage, registry)
    engine = _engine(options, registry, models)
    queue = JobQueue(models, engine, slots=options.training_jobs)
    app = create_app(
        registry,
        queue,
        api_key=api_key,
        max_body=options.max_body,
        max_file=options.max_file,
        host=options.host,
        own_user_free=not options.api_key and _is_loopback(options.host),
    )
    mode = "deterministic" if options.deterministic else "batched"
    name = str(dtype).removeprefix("torch.")
    on = ", on Ray" if options.engine == "ray" else ""
    ready = f"serving {', '.join(sources)} at {_url(listener)} ({name}, {mode}{on})"
    if not options.api_key:
        ready += f"\n{_about_key(storage.folder / KEY_FILE)}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            print(ready, flush=True)

    code = 0
    try:
        Server(configuration(app)).run(sockets=[listener])
    except KeyboardInterrupt:
        code = _INTERRUPTED
    finally:
        queue.close()
        if not engine.close(timeout=3):
            # A thread inside PyTorch cannot be stopped, and Python would wait for it.
            sys.stdout.flush()
            os._exit(code)
    return code


def _engine(
    options: argparse.Namespace, registry: "ModelRegistry", models: "FineTunedModels"
) -> "Engine":
    if options.engine == "local":
        from tunebench.server.inference.queue import Worker
        from tunebench.server.local_engine import LocalEngine

        worker = Worker(batch_tokens=options.batch_tokens, deterministic=options.deterministic)
        return LocalEngine(registry, worker, models.storage, kept_bytes=options.keep_bytes)
    try:
        from tunebench.server.cluster.engine import ClusterOptions, RayEngine
        from tunebench.server.cluster.replica import ReplicaSettings
    except ImportError as error:
        raise ConfigurationError(
            f"--engine ray needs the ray extra ({error})",
            hint=_INSTALL_RAY,
        ) from error
    settings = ReplicaSettings(
        {name: source for name, source in registry.sources.items() if name not in models.rows},
        str(registry.dtype).removeprefix("torch."),
        registry.int8,
        options.batch_tokens,
        options.deterministic,
        options.threads or 1,
    )
    storage = options.storage
    if storage is None:
        folder = models.storage.folder / "ray"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        storage = str(folder)
    cluster = ClusterOptions(
        options.address,
        storage,
        options.replicas,
        options.workers,
        options.training_device,
        options.inference,
    )
    return RayEngine(models, cluster, settings, kept_bytes=options.keep_bytes)


def _sources(given: list[str] | None) -> dict[str, str]:
    if given:
        pairs = [text.partition("=") for text in given]
        sources = {name: _absolute(source or name) for name, _, source in pairs}
        if "" in sources or len(sources) < len(given):
            raise UsageError(
                f"--model is given as {', '.join(given)}",
                hint="every model needs a name of its own",
            )
        return sources
    here = {name: name for name, model in MODELS.items() if where(model) is not None}
    return here or {DEFAULT: DEFAULT}


def _absolute(source: str) -> str:
    """The path of a folder or file that is here, so that it is not looked for elsewhere later."""
    path = Path(source).expanduser()
    return str(path.resolve()) if source and path.exists() else source


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def _about_key(path: Path) -> str:
    send = f"OPENAI_API_KEY=$(cat {quote(str(path))})"  # in quotes: a path may hold blanks
    return f"key: {path}; other users and containers send it, as with {send}"


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        raise UsageError(
            f"cannot serve at {host}:{port} ({error.strerror or error})",
            hint="stop the process that uses it, or give another --port (0 picks a free one)",
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


def _stop_with_stdin() -> None:
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def _terminate(_signal: int, _frame: FrameType | None) -> Any:
    sys.exit(0)
