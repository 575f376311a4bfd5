"""Redirects: a request that follows one is recorded under the request that was redirected."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcr.request import Request

    from tunebench.cassettes.fingerprint import Fingerprint


class _Redirect(NamedTuple):
    """The new address of a request."""

    address: str
    body: bytes
    asked: Fingerprint


class Redirects(threading.local):
    """The last redirect of each thread."""

    _last: _Redirect | None = None

    def note(
        self, request: Request, response: Mapping[str, dict[str, list[str]]], asked: Fingerprint
    ) -> None:
        """Note an answer that redirects a request, by the client's own rules for addresses."""
        import httpx2  # late: a replay is never redirected

        try:
            location = httpx2.URL(request.uri).join(response["headers"]["location"][0])
        except (KeyError, httpx2.InvalidURL):
            self._last = None
        else:
            self._last = _Redirect(_address(str(location)), request.body or b"", asked)

    def origin_of(self, request: Request) -> Fingerprint | None:
        """The request that was redirected to this one, if one was."""
        last, self._last = self._last, None
        # The client may not have followed it, and now send another request to that very address.
        if last is None or (last.address, last.body) != (
            _address(request.uri),
            request.body or b"",
        ):
            return None
        return last.asked


def _address(url: str) -> str:
    return url.partition("#")[0]
