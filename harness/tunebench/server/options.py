"""The options of the server's command."""

import argparse
import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from tunebench.errors import UsageError
from tunebench.local_models import DEFAULT, data_folder, given_key
from tunebench.server.bounded_json import MAX_BYTES

# Without it, on 100 one-shot prompts of SmolLM2 in bfloat16, no greedy token changed, and
# log-probabilities moved by up to 0.03, with short texts by up to 0.06.
_DETERMINISTIC = """\
compute every prompt alone, so that an answer's bits do not depend on other prompts (equally fast
for texts of about 300 tokens, a sixth to a half as fast for 16 to 40 tokens), and decode with the
model's own weights, not with eight bits"""


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
        default=given_key(),
        help="the key that all requests must send (default: $TUNEBENCH_API_KEY; else one that is "
        "made and kept in the data folder, which this user's programs need not send on Linux)",
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
    parser.add_argument(
        "--threads",
        type=_whole_number(1, None),
        metavar="N",
        help="threads that compute (default: one for each core; on Ray 1)",
    )
    parser.add_argument("--deterministic", action="store_true", help=_DETERMINISTIC)
    parser.add_argument(
        "--stop-with-stdin",
        action="store_true",
        help="exit when standard input closes, as when the parent process exits",
    )
    number("--max-body", 1, MAX_BYTES, "refuse requests of more bytes, uploads apart")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=data_folder(),
        metavar="FOLDER",
        help="uploaded files, fine-tuning jobs, their models and the API key (default: "
        "$TUNEBENCH_DATA_DIR, else a folder in the user's cache)",
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
    _add_cluster_arguments(parser)


def _add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="what computes: this machine, or a Ray cluster that it belongs to; the options below "
        "are for Ray (default: %(default)s)",
    )
    parser.add_argument(
        "--address",
        default="auto",
        metavar="HOST:PORT",
        help="the cluster; auto: the one that runs on this machine (default: %(default)s)",
    )
    parser.add_argument(
        "--storage",
        metavar="PATH",
        help="folder or URI for checkpoints that all nodes can read and write (default: a folder "
        "in the data folder, which is enough for one machine or a network file system)",
    )
    for option, text in {
        "--replicas": "copies of the models that answer, on --threads cores each",
        "--workers": "workers that train a job together, on --threads cores each",
    }.items():
        parser.add_argument(
            option,
            type=_whole_number(1, None),
            default=1,
            metavar="N",
            help=f"{text} (default: %(default)s)",
        )
    parser.add_argument(
        "--training-device",
        choices=["cpu", "gpu"],
        default="cpu",
        help="what trains: each worker's cores, or in addition a GPU for each worker (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--inference",
        choices=["torch", "vllm"],
        default="torch",
        help="what answers on the cluster: PyTorch on its cores, or vLLM on a GPU for each replica "
        "(default: %(default)s)",
    )


def check_engine(options: argparse.Namespace) -> None:
    """Refuse options of the other engine, and a password in an address.

    Raises:
        UsageError: with the first of them.
    """
    defaults = {"address": "auto", "storage": None, "replicas": 1, "workers": 1}
    for name, default in (defaults | {"training_device": "cpu", "inference": "torch"}).items():
        if options.engine == "local" and getattr(options, name) != default:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for --engine ray", hint="leave it out, or give both")
    if re.match(r"[^/]*//[^/@]*:[^/]*@", options.storage or ""):
        raise UsageError(
            "--storage holds a password, which lists of processes show",
            hint="set it in the environment of every node, such as AWS_SECRET_ACCESS_KEY",
        )


def _whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    limits = f"from {least} to {most}" if most else f"of at least {least}"

    def whole_number(text: str) -> int:
        with contextlib.suppress(ValueError):
            if least <= (value := int(text)) and (most is None or value <= most):
                return value
        raise argparse.ArgumentTypeError(f"must be a whole number {limits}, not {text!r}")

    return whole_number
