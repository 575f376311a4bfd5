"""The command ``python -m tunebench.server``: options, the socket, a clean shutdown."""

import argparse
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tunebench.errors import ConfigurationError, TunebenchError, UsageError
from tunebench.local_models import DEFAULT, MODELS, cache_folder, get, where

# Without it, on 100 one-shot prompts of SmolLM2 in bfloat16, no greedy token changed, and
# log-probabilities moved by up to 0.03, with short texts by up to 0.06.
_DETERMINISTIC = """\
compute every prompt alone, so that an answer's bits do not depend on other prompts (equally fast
for texts of about 300 tokens, a sixth to a half as fast for 16 to 40 tokens)"""
_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the server's options to a parser."""

    def number(option: str, least: int, default: int, text: str, most: int | None = None) -> None:
        parser.add_argument(
            option,
            type=_whole_number(least, most),
            default=default,
            metavar="N",
            help=f"{text} (default: %(default)s)",
        )

    parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    number("--port", 0, 8017, "0 picks a free one", most=65535)
    parser.add_argument(
        "--api-key",
        default=os.environ.get("TUNEBENCH_API_KEY"),
        help="the key that requests must send (default: $TUNEBENCH_API_KEY, else none)",
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME[=SOURCE]",
        help="serve this model: a built-in name, a folder, a .gguf file or a Hugging Face id; "
        f"may be repeated (default: all built-in models whose weights are here, else {DEFAULT})",
    )
    parser.add_argument(
        "--dtype",
        choices=["auto", "bfloat16", "float32"],
        default="auto",
        help="number format; auto: bfloat16 where the CPU supports it (default: %(default)s)",
    )
    number("--batch-tokens", 1, 1024, "padded tokens that are computed in one pass")
    parser.add_argument("--deterministic", action="store_true", help=_DETERMINISTIC)
    parser.add_argument(
        "--stop-with-stdin",
        action="store_true",
        help="exit when standard input closes, as when the parent process exits",
    )
    number("--max-body", 1, 64 << 20, "refuse requests of more bytes")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("TUNEBENCH_DATA_DIR") or cache_folder() / "server"),
        metavar="FOLDER",
        help="uploaded files, fine-tuning jobs and their models (default: $TUNEBENCH_DATA_DIR, "
        "else a folder in the user's cache)",
    )
    number("--max-file", 1, 512 << 20, "refuse uploads of more bytes")
    number("--training-jobs", 1, 1, "fine-tuning jobs that run at the same time")
    number(
        "--keep-bytes",
        0,
        2 << 30,
        "memory in which a job may keep the frozen layers' outputs; 0 computes them again in every "
        "epoch",
    )


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
    _check_host(options.host, options.api_key)
    # Before the slow imports: a port in use is reported at once.
    listener = _bind(options.host, options.port)
    try:
        import uvicorn

        from tunebench.server.http.app import create_app
        from tunebench.server.inference.models import ModelRegistry, choose_dtype
        from tunebench.server.inference.queue import Worker
        from tunebench.server.tuning.fine_tuned import FineTunedModels
        from tunebench.server.tuning.job_queue import JobQueue
        from tunebench.server.tuning.storage import Storage
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
    registry = ModelRegistry(sources, choose_dtype(options.dtype))
    worker = Worker(batch_tokens=options.batch_tokens, deterministic=options.deterministic)
    models = FineTunedModels(Storage(options.data_dir.expanduser().resolve()), registry)
    queue = JobQueue(models, slots=options.training_jobs, kept_bytes=options.keep_bytes)
    app = create_app(
        registry,
        worker,
        queue,
        api_key=options.api_key,
        max_body=options.max_body,
        max_file=options.max_file,
    )
    mode = "deterministic" if options.deterministic else "batched"
    dtype = str(registry.dtype).removeprefix("torch.")
    ready = f"serving {', '.join(sources)} at {_url(listener)} ({dtype}, {mode})"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            print(ready, flush=True)

    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    code = 0
    try:
        Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        code = _INTERRUPTED
    finally:
        queue.close()
        if not worker.close(timeout=3):
            # A thread inside PyTorch cannot be stopped, and Python would wait for it.
            sys.stdout.flush()
            os._exit(code)
    return code


def _sources(given: list[str] | None) -> dict[str, str]:
    if given:
        pairs = [text.partition("=") for text in given]
        sources = {name: source or name for name, _, source in pairs}
        if "" in sources or len(sources) < len(given):
            raise UsageError(
                f"--model is given as {', '.join(given)}",
                hint="every model needs a name of its own",
            )
        return sources
    here = {name: name for name, model in MODELS.items() if where(model) is not None}
    return here or {DEFAULT: DEFAULT}


def _check_host(host: str, api_key: str | None) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback and not api_key:
        raise UsageError(
            f"serving at {host} would let everybody in who can reach it",
            hint="set --api-key (or $TUNEBENCH_API_KEY), or serve at 127.0.0.1",
        )


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


def _whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    limits = f"from {least} to {most}" if most else f"of at least {least}"

    def whole_number(text: str) -> int:
        with contextlib.suppress(ValueError):
            if least <= (value := int(text)) and (most is None or value <= most):
                return value
        raise argparse.ArgumentTypeError(f"must be a whole number {limits}, not {text!r}")

    return whole_number
