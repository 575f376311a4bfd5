"""The HTTP client below the `openai` package: certificates, redirects, and what it may repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import openai

from tunebench.api.refusals import is_used_up
from tunebench.api.uploads import meter_upload
from tunebench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

_KEEPS_METHOD = (307, 308)
# One adds a slash to a path, or takes it away.
_MAX_REDIRECTS = 5


def http_client(
    base_url: str, *, offline: bool, hear: Callable[[httpx2.Response], None] | None
) -> httpx2.Client:
    """The HTTP client of a connection to a provider.

    Args:
        base_url: its API root; nothing is sent to another origin.
        offline: whether nothing is ever sent, so no proxies and certificates are read.
        hear: called with each answer before its body is read.
    """
    origin = _origin(httpx2.URL(base_url))

    def check_origin(request: httpx2.Request) -> None:
        # Texts and the key would go to another host.
        if _origin(request.url) != origin:
            raise _refused(base_url, request.url)

    # A proxy from the environment has no way to a server on this machine, and without encryption
    # no certificate is checked: reading them all takes a while.
    url = urlsplit(base_url)
    local = url.hostname in ("127.0.0.1", "::1", "localhost")
    return openai.DefaultHttpxClient(
        trust_env=not (local or offline),
        verify=not (offline or (local and url.scheme == "http")),
        # A connection that is never used takes a while to load.
        transport=httpx2.MockTransport(_send_nothing) if offline else None,
        # Compressed answers can be read, too, but have no use here.
        headers={"accept-encoding": "identity"},
        max_redirects=_MAX_REDIRECTS,
        event_hooks={
            "request": [meter_upload, check_origin],
            "response": [_check_redirect, _never_repeat_used_up, *([hear] if hear else [])],
        },
    )


def _send_nothing(request: httpx2.Request) -> httpx2.Response:
    raise RequestError(
        "nothing is sent while recorded answers are replayed", where=str(request.url)
    )


def _check_redirect(response: httpx2.Response) -> None:
    # A redirect of another kind turns the request into one without its body.
    keeps_method = response.request.method == "GET" or response.status_code in _KEEPS_METHOD
    if response.has_redirect_location and not keeps_method:
        raise _refused(response.request.url, response.headers["location"])


def _never_repeat_used_up(response: httpx2.Response) -> None:
    # The `openai` package takes a quota that is used up for a limit of pace.
    if is_used_up(response):
        response.headers["x-should-retry"] = "false"


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _refused(here: httpx2.URL | str, there: httpx2.URL | str) -> RequestError:
    return RequestError(
        f"the provider redirects to {there}, which is not followed",
        where=str(here),
        hint="if that is the right address, make it the provider's base_url",
    )
