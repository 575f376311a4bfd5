"""One file from the net: looked for first, checked whole, never left half-made.

TFDS's own downloader tries an unreachable host for minutes, waits for ever on a silent one and
leaves its pieces behind. This one fails within seconds and says what to do.
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
from tunebench.files import whole_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Archive:
    """A file that is known before it is fetched.

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
        """The file's own name, as the address ends."""
        return urllib.parse.urlsplit(self.url).path.rpartition("/")[2]


def fetch(archive: Archive, folder: Path, *, look: float = 3.0, silence: float = 30.0) -> Path:
    """Give the archive's place in a folder, downloading it if it is not there yet.

    Args:
        archive: what to fetch.
        folder: where it belongs; made if need be. A good copy already there is used.
        look: seconds after which an unreachable host is given up.
        silence: seconds after which a download that brings nothing more is given up.

    Returns:
        The path of a file whose size and SHA-256 are the archive's.

    Raises:
        DatasetError: it cannot be reached, breaks off, or is another file.
        OSError: the folder cannot be written in.
    """
    target = folder / archive.name
    if _is_there(archive, target):
        return target
    by_hand = f"or download it elsewhere and put it at {target}"
    check_reachable(archive.url, look, by_hand)
    folder.mkdir(parents=True, exist_ok=True)
    with whole_files([target], overwrite=True, hint=f"make room, {by_hand}") as (file,):
        _download(archive, file, silence, by_hand)
    return target


def _is_there(archive: Archive, path: Path) -> bool:
    try:
        if path.stat().st_size != archive.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == archive.sha256
    except FileNotFoundError:
        return False


def check_reachable(url: str, seconds: float, by_hand: str) -> None:
    """Try whether the host of an address, or its proxy, can be reached.

    Args:
        url: an http or https address.
        seconds: after which it is given up.
        by_hand: the other way to have the file, for the message: ``or …``.

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
        raise DatasetError(
            f"Cannot reach {host}:{port} to download {url} ({why}); check the network and the "
            f"proxy settings, {by_hand}."
        )


def _first_hop(url: str) -> tuple[str, int]:
    """Host and port to connect to: the proxy's, where the environment names one for this host."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _download(archive: Archive, file: BinaryIO, silence: float, by_hand: str) -> None:
    digest, size, begin = hashlib.sha256(), 0, b""
    for block in _blocks(archive.url, silence, by_hand):
        begin = begin or block[:64]
        digest.update(block)
        size += len(block)
        file.write(block)
        if size > archive.size:  # another file, however long it may be
            break
    if begin.lstrip()[:1] == b"<":
        raise DatasetError(
            f"{archive.url} gave a web page in place of the archive; log in to your network or "
            f"check the proxy settings, {by_hand}."
        )
    if size != archive.size or digest.hexdigest() != archive.sha256:
        raise DatasetError(
            f"{archive.url} is not the archive expected ({size} bytes with SHA-256 "
            f"{digest.hexdigest()} were read, {archive.size} with {archive.sha256} expected) and "
            f"was not kept; try again later, {by_hand}."
        )


def _blocks(url: str, silence: float, by_hand: str) -> Iterator[bytes]:
    read = 0
    # Not urlopen, which asks the environment for proxies once a process.
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
        raise DatasetError(
            f"{url} answers {error.code} {error.reason} in place of the archive; try again later, "
            f"{by_hand}."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        missing, why = 1, str(error)
    if missing:
        raise DatasetError(
            f"The download of {url} broke off after {read} bytes ({why}); run again, {by_hand}."
        )
