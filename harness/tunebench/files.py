"""Atomic file writes."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tunebench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextmanager
def whole_files(paths: Sequence[Path], *, overwrite: bool) -> Iterator[Sequence[BinaryIO]]:
    """Write beside the paths and put all in place when all are whole; after an error, none.

    Args:
        paths: where; their folders exist. With `overwrite` one path only: what was there before
            could not be brought back if a later one failed.
        overwrite: whether a file that is there is replaced; otherwise that is an error.

    Raises:
        DatasetError: a file cannot be written, as on a full disk, or must not be overwritten.
    """
    parts: list[str] = []
    placed: list[Path] = []
    path = paths[0]
    try:
        with ExitStack() as stack:
            files = []
            for path in paths:
                handle, part = tempfile.mkstemp(
                    dir=path.parent, prefix=f".{path.name}.", suffix=".part"
                )
                parts.append(part)
                files.append(stack.enter_context(open(handle, "wb")))
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for path, part in zip(paths, parts, strict=True):
            os.chmod(part, 0o666 & ~_umask())
            if overwrite:
                os.replace(part, path)
            else:
                _place_new(part, path)
            placed.append(path)
    except BaseException as error:
        for done in placed:
            done.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise DatasetError(
                f"{path}: the file could not be written ({error.strerror}): make room or choose "
                "another folder; nothing was left behind."
            ) from error
        raise
    finally:
        for part in parts:
            Path(part).unlink(missing_ok=True)


def _place_new(part: str, path: Path) -> None:
    """Give a whole file its name; FileExistsError if it was taken since it was looked up."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # some file systems know no second name of a file
        path.touch(exist_ok=False)
        try:
            os.replace(part, path)
        except BaseException:
            path.unlink()
            raise


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
