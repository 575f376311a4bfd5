"""Checks of whom a request is for and which site sends it: Host, Origin and Sec-Fetch-Site.

A page of any site can make the user's browser send requests to this machine; under a name that
resolves to this machine (DNS rebinding), it can even read the answers. Browsers set these three
headers, and no page can change them.
"""

import ipaddress
import re

from starlette.types import ASGIApp, Receive, Scope, Send

from tunebench.server.http_errors import ApiError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ADDRESS = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:/?#@\\\s]+))(?::([0-9]{0,5}))?")
_AUTHORITY = re.compile(r"(?:[^:/]*://)?([^/]*)")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OWN_SITES = frozenset({"same-origin", "none"})  # none: the user typed the address


class SiteGuard:
    """Refuses requests for another host, and those of other sites' pages."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        """Guard an application.

        Args:
            app: gets the requests that are not refused.
            host: the address or name that the server is bound to. With one that stands for all
                addresses the names that lead here are not known: any is taken, and the API key,
                which such a server must have, keeps other sites out.
        """
        self.app = app
        self._names = _names(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 403."""
        error = self._refusal(scope) if scope["type"] == "http" else None
        await (error.response() if error else self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ApiError | None:
        hosts = _values(scope, b"host")
        if len(hosts) > 1 or (self._names is not None and not hosts):
            return _refused("The request must have one header Host, not {}.", str(len(hosts)))
        for host in [*hosts, *_authority(scope)]:
            if not self._is_own(host, scope):
                return _refused(
                    "The request is for {}, which is not this server's address; use the one that "
                    "it prints when it starts.",
                    repr(host),
                )
        own = _address(hosts[0], scope["scheme"]) if hosts else None
        origins, sites = _values(scope, b"origin"), _values(scope, b"sec-fetch-site")
        foreign = [origin for origin in origins if own is None or _origin(origin, scope) != own]
        foreign += [site for site in sites if site.strip().lower() not in _OWN_SITES]
        if foreign:
            return _refused(
                "The request comes from a page of another site ({}); this server answers programs "
                "and its own pages only.",
                repr(foreign[0]),
            )
        return None

    def _is_own(self, host: str, scope: Scope) -> bool:
        found = _ADDRESS.fullmatch(host)
        address = _address(host, scope["scheme"])
        if found is None or address is None:
            return False
        if self._names is None:
            return True
        server, port = scope.get("server") or ("", None)
        # Without a port a client means the one that it is connected to.
        return address[0] in self._names | {server} and (not found[3] or int(found[3]) == port)


def _names(host: str) -> frozenset[str] | None:
    """The names that lead to a server bound to a host; None if they are not known."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.lower().removesuffix(".")
        return _LOOPBACK | {name} if name == "localhost" else frozenset({name})
    if address.is_unspecified:
        return None
    return _LOOPBACK | {str(address)} if address.is_loopback else frozenset({str(address)})


def _address(text: str, scheme: str) -> tuple[str, int] | None:
    """The name, in one spelling, and the port of an address such as ``localhost:8017``."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return None
    inner, name, port = found.groups()
    try:
        name = str(ipaddress.IPv6Address(inner)) if inner else name.lower().removesuffix(".")
    except ValueError:
        return None
    return name, int(port or _DEFAULT_PORTS.get(scheme, 80))


def _origin(text: str, scope: Scope) -> tuple[str, int] | None:
    """The address in an Origin; None if there is none, or the scheme is not the request's."""
    scheme, _, rest = text.partition("://")
    return _address(rest, scheme) if scheme.lower() == scope["scheme"] else None


def _authority(scope: Scope) -> list[str]:
    """The host in a request's target, where that is more than a path: it goes before Host."""
    target = scope.get("raw_path", b"").decode("latin-1") or scope["path"]
    if target.startswith("/") or target == "*":
        return []
    found = _AUTHORITY.match(target)
    return [found[1]] if found else []


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]


def _refused(message: str, what: str) -> ApiError:
    return ApiError(403, message.format(what[:80]), code="other_site")
