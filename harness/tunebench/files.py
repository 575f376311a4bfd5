"""Files: those that a pattern finds, and atomic writes."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from tunebench.errors import TunebenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def files_of(path: Path) -> list[Path]:
    """The files that a path names: itself, or all that its name finds as a pattern, sorted.

    A pattern has ``*`` or ``?`` in the file's name. Hidden files are not found by it.
    """
    if not set("*?") & set(path.name) or path.exists():
        return [path]
    found = path.parent.glob(path.name)
    return sorted(file for file in found if file.is_file() and not file.name.startswith("."))


def sha256_of(path: Path) -> str:
    """The SHA-256 (hex) of a file.

    Raises:
        OSError: it cannot be read.
    """
    if path.exists() and not path.is_file():  # reading a pipe or a device may never end
        raise OSError("this is not a regular file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_of(path: Path) -> list[str | None]:
    """The names of the files that a path names, each with its SHA-256; None if it has none."""
    state: list[str | None] = []
    for file in files_of(path):
        try:
            state += [file.name, sha256_of(file)]
        except (OSError, ValueError):
            state += [file.name, None]
    return state


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it is in, where it is not there yet.

    Raises:
        TunebenchError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder cannot be made ({error.strerror})"
        hint = "make the folder that it is in one that can be written to"
        raise TunebenchError(problem, where=folder, hint=hint) from error


@contextmanager
def whole_files(
    paths: Sequence[Path], *, overwrite: bool, hint: str = "make room or choose another folder"
) -> Iterator[Sequence[BinaryIO]]:
    """Write beside the paths and put all files in place when all are whole; after an error, none.

    Args:
        paths: the files; their folders exist. Only one with `overwrite`, since a replaced file
            could not be restored if a later one failed.
        overwrite: whether an existing file is replaced; otherwise it is an error.
        hint: of the error if a file cannot be written.

    Raises:
        TunebenchError: a file cannot be written, as on a full disk, or must not be overwritten.
    """
    parts: list[Path] = []
    placed: list[Path] = []
    path = paths[0]
    try:
        with ExitStack() as stack:
            files = []
            for path in paths:
                part = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
                files.append(stack.enter_context(part.open("xb")))
                parts.append(part)
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for path, part in zip(paths, parts, strict=True):
            if overwrite:
                part.replace(path)
            else:
                _place_new(part, path)
            placed.append(path)
    except BaseException as error:
        for done in placed:
            done.unlink(missing_ok=True)
        if isinstance(error, OSError):
            problem = f"the file could not be written ({error.strerror}), and nothing is left of it"
            raise TunebenchError(problem, where=path, hint=hint) from error
        raise
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _place_new(part: Path, path: Path) -> None:
    """Give a whole file its name; FileExistsError if that was taken since it was looked up."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # some file systems know no second name of a file
        path.touch(exist_ok=False)
        try:
            part.replace(path)
        except BaseException:
            path.unlink()
            raise
