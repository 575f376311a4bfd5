"""The API key of the local server: a file in its data folder, which only its user can read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from tunebench.errors import ConfigurationError, keep_secret
from tunebench.local_models.cache import cache_folder

KEY_FILE = "api-key"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHORTEST = 16  # characters; every key of this length is hidden in output and cassettes
_VARIABLE = "TUNEBENCH_API_KEY"


def data_folder() -> Path:
    """The server's data folder: ``$TUNEBENCH_DATA_DIR``, else one in the user's cache."""
    return Path(os.environ.get("TUNEBENCH_DATA_DIR") or cache_folder() / "server").expanduser()


def given_key() -> str | None:
    """The key in ``$TUNEBENCH_API_KEY``, which is used instead of the file's."""
    key = os.environ.get(_VARIABLE, "").strip()
    keep_secret(key)
    return key or None


def server_key(folder: Path) -> str:
    """The key of the server with a data folder; made if there is none.

    Raises:
        ConfigurationError: the file cannot be written or read, or holds no key.
    """
    path = folder / KEY_FILE
    try:
        if not path.exists():
            _make(path)
        key = path.read_text("ascii").strip()
    except OSError as error:
        raise ConfigurationError(
            f"the local server's key cannot be kept ({error.strerror or error})",
            where=path,
            hint="make room, let this user read and write there, or give another --data-dir",
        ) from error
    except UnicodeDecodeError:
        key = ""
    if len(key) < _SHORTEST or not key.isprintable():
        raise ConfigurationError(
            f"the local server's key must be a line of at least {_SHORTEST} ASCII characters",
            where=path,
            hint="remove the file; the server makes another when it starts",
        )
    keep_secret(key)
    return key


def client_key(base_url: str) -> str | None:
    """The key for this user's local server, which may not have started yet; None for another host.

    Nor is a key made in an existing folder that others can use: the server looks at that first.

    Raises:
        ConfigurationError: as `server_key`.
    """
    if urlsplit(base_url).hostname not in LOOPBACK:
        return None
    if (given := given_key()) is not None:
        return given
    folder = data_folder()
    shared = folder.exists() and folder.stat().st_mode & 0o077
    return None if shared and not (folder / KEY_FILE).exists() else server_key(folder)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Whole before it has its name: a client and a server may start at the same moment.
    part = path.with_name(f".{KEY_FILE}.{os.urandom(4).hex()}.part")
    try:
        with open(part, "x", opener=_private) as file:
            file.write(f"{secrets.token_urlsafe(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            _place(part, path)
    finally:
        part.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _place(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # some file systems know no second name of a file
        part.rename(path)
