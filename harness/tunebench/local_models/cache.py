"""Where weights are: in an installed package, or in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tunebench.errors import ConfigurationError

try:
    import fcntl
except ImportError:  # Windows: two processes that download at once are not kept apart there.
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tunebench.local_models.known import LocalModel

_UNFINISHED = ".unfinished-"


def cache_folder() -> Path:
    """The cache: ``$TUNEBENCH_CACHE``, ``$XDG_CACHE_HOME/tunebench`` or ``~/.cache/tunebench``."""
    chosen = os.environ.get("TUNEBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tunebench"


def kept(model: LocalModel) -> Path:
    """The file of a model's weights in the cache, whether or not it is there."""
    return cache_folder() / "weights" / f"{model.sha256[:16]}{model.suffix}"


def where(model: LocalModel) -> Path | None:
    """The file of a model's weights; the first of several parts; None if it is not here."""
    if parts := _installed(model):
        return parts[0]
    return kept(model) if kept(model).is_file() else None


def find(model: LocalModel) -> Path | None:
    """The file of a model's weights, joined if its parts are installed; None if it is not here.

    Raises:
        ConfigurationError: the parts cannot be joined, or are not the known ones.
    """
    path, parts = kept(model), _installed(model)
    if len(parts) == 1:
        return parts[0]
    if parts and not path.is_file():
        with unfinished_folder(model) as folder, contextlib.ExitStack() as stack:
            join(model, (stack.enter_context(part.open("rb")) for part in parts), folder)
    return path if path.is_file() else None


def clear(model: LocalModel) -> int:
    """Remove a model from the cache, with the folders that were made of its weights.

    Returns:
        The bytes of the files that were removed.

    Raises:
        ConfigurationError: one cannot be removed.
    """
    found = [kept(model), *(cache_folder() / "models").glob(f"{model.sha256[:16]}*")]
    files = [file for path in found for file in (path, *path.rglob("*")) if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    try:
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        _remove_left_overs()
    except OSError as error:
        problem = f"the weights of {model.name} cannot be removed ({error.strerror or error})"
        raise ConfigurationError(
            problem, where=error.filename, hint="check who may write there"
        ) from error
    return size


@contextlib.contextmanager
def unfinished_folder(model: LocalModel) -> Iterator[Path]:
    """A folder beside the weights' file, removed at the end; one process after the other has one.

    Raises:
        ConfigurationError: something cannot be written, as on a full disk.
    """
    folder = kept(model).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            _clean(folder)
            with tempfile.TemporaryDirectory(
                prefix=_UNFINISHED, dir=folder, ignore_cleanup_errors=True
            ) as made:
                yield Path(made)
    except OSError as error:
        raise ConfigurationError(
            f"the weights of {model.name} cannot be kept ({error.strerror or error})",
            where=folder,
            hint="make room there, or set TUNEBENCH_CACHE to another folder, then run "
            f"`tunebench models get {model.name}`",
        ) from error


def join(model: LocalModel, parts: Iterable[IO[bytes]], folder: Path) -> None:
    """Put the weights in their place in the cache, whole and checked.

    Args:
        model: the model.
        parts: its files, in their order.
        folder: an `unfinished_folder`.

    Raises:
        ConfigurationError: they are not the known ones.
    """
    path, digest = folder / "joined", hashlib.sha256()
    with path.open("wb") as file:
        for part in parts:
            while block := part.read(1 << 20):
                digest.update(block)
                file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if (found := digest.hexdigest()) != model.sha256:
        raise ConfigurationError(
            f"the weights of {model.name} in {model.package} have the sha256 {found[:16]}… instead "
            f"of {model.sha256[:16]}…, so they were not kept",
            hint="take that package from another index, then run "
            f"`tunebench models get {model.name}`",
        )
    path.replace(kept(model))


def _installed(model: LocalModel) -> list[Path]:
    """The files of a model whose packages are installed; otherwise none."""
    paths = []
    for _, module, inside in model.parts:
        # The package is not imported: its module imports another inference library.
        spec = importlib.util.find_spec(module)
        path = Path(spec.origin).parent / inside if spec and spec.origin else None
        if path is None or not path.is_file():
            return []
        paths.append(path)
    return paths


def _remove_left_overs() -> None:
    folder = cache_folder() / "weights"
    if folder.is_dir():
        with contextlib.suppress(BlockingIOError), _lock(folder, wait=False):
            _clean(folder)


def _clean(folder: Path) -> None:
    """Remove what a killed process left; the lock is held, so nobody else is writing."""
    for left in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _lock(folder: Path, *, wait: bool = True) -> Iterator[None]:
    # The system drops this lock when its holder dies, however it dies.
    with (folder / ".lock").open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
