"""The options of fine-tuning on the server's command line; importing this costs nothing."""

import argparse
import os
from pathlib import Path

from tunebench.server.inference.weights import cache_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to the server's parser."""
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("TUNEBENCH_DATA_DIR") or cache_folder() / "server"),
        metavar="FOLDER",
        help="uploaded files, fine-tuning jobs and what they made (default: $TUNEBENCH_DATA_DIR, "
        "else a folder of the user's cache)",
    )
    parser.add_argument(
        "--max-file",
        type=_number(1),
        default=512 << 20,
        metavar="BYTES",
        help="refuse larger uploads (default: %(default)s)",
    )
    parser.add_argument(
        "--training-jobs",
        type=_number(1),
        default=1,
        metavar="N",
        help="fine-tuning jobs that run at once (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-bytes",
        type=_number(0),
        default=2 << 30,
        metavar="BYTES",
        help="memory in which a job may keep the frozen layers' outputs; 0 computes them again "
        "in every epoch (default: %(default)s)",
    )


def _number(least: int) -> "type[int]":
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return number  # type: ignore[return-value]
