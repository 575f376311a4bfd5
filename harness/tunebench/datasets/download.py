"""Download one file with a known checksum: fail within seconds, leave nothing half-made.

The downloader of TFDS tries an unreachable host for minutes, waits forever for a silent one and
leaves its pieces behind.
"""

from __future__ import annotations

import hashlib
import http.client
import queue
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from tunebench.errors import DatasetError
from tunebench.files import sha256_of, whole_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Archive:
    """A file that is known before it is downloaded.

    Attributes:
        url: an http or https address.
        sha256: its SHA-256, in hexadecimal.
        size: its length in bytes.
    """

    url: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The file name, as the address ends."""
        return urllib.parse.urlsplit(self.url).path.rpartition("/")[2]


def fetch(archive: Archive, folder: Path, *, look: float = 3.0, silence: float = 30.0) -> Path:
    """The path of an archive in a folder; it is downloaded if there is no good copy yet.

    After `look` seconds an unreachable host is given up, after `silence` seconds without data a
    download.

    Raises:
        DatasetError: the host cannot be reached, the download breaks off, or it is another file.
        OSError: the folder cannot be made.
        TunebenchError: the file cannot be written.
    """
    target = folder / archive.name
    if not _is_there(archive, target):
        by_hand = f"or download it elsewhere and put it at {target}"
        check_reachable(archive.url, look, by_hand)
        folder.mkdir(parents=True, exist_ok=True)
        with whole_files([target], overwrite=True, hint=f"make room, {by_hand}") as (file,):
            _download(archive, file, silence, by_hand)
    return target


def _is_there(archive: Archive, path: Path) -> bool:
    try:
        return path.stat().st_size == archive.size and sha256_of(path) == archive.sha256
    except FileNotFoundError:
        return False


def check_reachable(url: str, seconds: float, by_hand: str) -> None:
    """Check that the host of an address, or its proxy, can be reached; `by_hand` is for the hint.

    Raises:
        DatasetError: it cannot.
    """
    host, port = _first_hop(url)
    outcome: queue.Queue[str] = queue.Queue()

    def connect() -> None:
        try:
            with closing(socket.create_connection((host, port), timeout=seconds)):
                outcome.put("")
        except OSError as error:
            outcome.put(str(error))

    # In a thread: looking up a name has no time limit of its own, and a name may have several
    # addresses, each with the whole time to itself.
    threading.Thread(target=connect, daemon=True).start()
    try:
        why = outcome.get(timeout=seconds)
    except queue.Empty:
        why = f"no answer in {seconds:g} s"
    if why:
        problem = f"Cannot reach {host}:{port} to download {url} ({why})"
        raise DatasetError(problem, hint=f"check the network and the proxy settings, {by_hand}")


def _first_hop(url: str) -> tuple[str, int]:
    """Host and port to connect to: the proxy's, where the environment names one for this host."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _download(archive: Archive, file: BinaryIO, silence: float, by_hand: str) -> None:
    digest, size, start = hashlib.sha256(), 0, b""
    for block in _blocks(archive.url, silence, by_hand):
        start = start or block[:64]
        digest.update(block)
        size += len(block)
        file.write(block)
        if size > archive.size:  # another file, however long it may be
            break
    if start.lstrip()[:1] == b"<":
        problem = f"{archive.url} gave a web page in place of the archive"
        hint = f"log in to your network or check the proxy settings, {by_hand}"
        raise DatasetError(problem, hint=hint)
    found = digest.hexdigest()
    if size != archive.size or found != archive.sha256:
        raise DatasetError(
            f"{archive.url} is not the archive expected ({size} bytes with SHA-256 {found} were "
            f"read, {archive.size} with {archive.sha256} expected) and was not kept",
            hint=f"try again later, {by_hand}",
        )


def _blocks(url: str, silence: float, by_hand: str) -> Iterator[bytes]:
    read = 0
    # Not urlopen, which reads the proxies of the environment only once in a process.
    opener = urllib.request.build_opener()
    try:
        with opener.open(url, timeout=silence) as response:
            while block := response.read(_BLOCK):
                read += len(block)
                yield block
            # Read in blocks, a body that ends early looks like any other's end.
            missing = response.length or 0
            why = f"{missing} more were announced"
    except urllib.error.HTTPError as error:
        problem = f"{url} answers {error.code} {error.reason} in place of the archive"
        raise DatasetError(problem, hint=f"try again later, {by_hand}") from error
    except (OSError, http.client.HTTPException) as error:
        missing, why = 1, str(error)
    if missing:
        problem = f"The download of {url} broke off after {read} bytes ({why})"
        raise DatasetError(problem, hint=f"run again, {by_hand}")
