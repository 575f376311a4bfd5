"""The process of the local provider: started for a recording, and stopped afterwards.

The server is `tunebench.server`, which answers over HTTP like any provider; this only runs its
command.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tunebench.errors import RecordingError
from tunebench.local_models import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Sequence

_START_SECONDS = 180.0


class LocalProvider:
    """The local provider's process, if this one started it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - kept open as long as the process
        # Several requests may be sent at once; all wait for the one that starts it.
        self._starting = threading.Lock()

    def ensure(self, base_url: str, models: Sequence[str]) -> bool:
        """Start the local provider at an address, unless something answers there already.

        Returns:
            Whether this process has started it, now or before.

        Raises:
            RecordingError: the address is not on this machine, the extra ``local`` is not
                installed, or the server ended or did not answer in time.
        """
        with self._starting:
            if self._process is None or self._process.poll() is not None:
                self._start(base_url, models)
            return self._process is not None and self._process.poll() is None

    def _start(self, base_url: str, models: Sequence[str]) -> None:
        url = urlsplit(base_url)
        if url.hostname not in LOOPBACK:
            raise RecordingError(
                "the local provider is started on this machine, but its base_url "
                f"{base_url!r} names another",
                hint="use 127.0.0.1, or declare a provider that is not the local one",
            )
        health = f"{url.scheme}://{url.netloc}/health"
        if _answers(health):
            return
        command = [sys.executable, "-m", "tunebench.server", "--deterministic", "--stop-with-stdin"]
        command += ["--host", url.hostname, "--port", str(url.port or 80)]
        for model in models:
            command += ["--model", f"{model}={model}" if "/" in model else model]
        self._process = subprocess.Popen(
            # The pipe closes when this process ends, however it ends, and the server with it.
            command,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait(health)

    def stop(self) -> None:
        """End the process, if `ensure` started one."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    def _wait(self, health: str) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(health):
            if self._process.poll() is not None:
                status = self._process.returncode
                raise RecordingError(
                    f"the local provider ended with status {status}: {self._last_words()}"
                )
            if time.monotonic() > deadline:
                self.stop()
                raise RecordingError(
                    f"the local provider did not answer at {health} within {_START_SECONDS:.0f} s",
                    hint="start it by hand with `tunebench serve` to see why",
                )
            time.sleep(0.2)

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing; try `tunebench serve`."


def _answers(health: str) -> bool:
    try:
        # No proxy of the environment: the server is on this machine.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(health, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):  # the latter: something else listens there
        return False
