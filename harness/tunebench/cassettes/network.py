"""A block of all network connections, for a replay."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from tunebench.errors import NetworkBlockedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_INTERNET = (socket.AF_INET, socket.AF_INET6)
_LOOK_UPS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr")
# Methods of a socket whose last argument is an address, and the arguments before it at least.
_METHODS = {"connect": 0, "connect_ex": 0, "sendto": 1, "sendmsg": 3}


@contextmanager
def hidden_key_log() -> Iterator[None]:
    """Hide ``SSLKEYLOGFILE``, which Python opens for each TLS context, used or not."""
    value = os.environ.pop("SSLKEYLOGFILE", None)
    try:
        yield
    finally:
        if value is not None:
            os.environ["SSLKEYLOGFILE"] = value


@contextmanager
def blocked_network(who: str) -> Iterator[None]:
    """Refuse every internet connection and name look-up made in this process.

    Unix sockets stay open: test runners talk to their workers over them.
    """

    def refuse(address: object) -> NoReturn:
        raise NetworkBlockedError(
            f"a connection to {address!r} was refused, since replay never uses the network",
            where=who,
            hint="record with --record=missing, or take that connection out",
        )

    def look_up(host: object, *_: Any, **__: Any) -> NoReturn:
        refuse(host)

    def guarded(real: Callable[..., Any], before: int) -> Callable[..., Any]:
        def method(self: socket.socket, *args: Any) -> Any:
            if self.family in _INTERNET and len(args) > before and args[-1] is not None:
                refuse(args[-1])
            return real(self, *args)

        return method

    methods = {
        name: getattr(socket.socket, name) for name in _METHODS if hasattr(socket.socket, name)
    }
    look_ups = {name: getattr(socket, name) for name in _LOOK_UPS}
    for name, real in methods.items():
        setattr(socket.socket, name, guarded(real, _METHODS[name]))
    for name in look_ups:
        setattr(socket, name, look_up)
    try:
        yield
    finally:
        for name, real in methods.items():
            setattr(socket.socket, name, real)
        for name, real in look_ups.items():
            setattr(socket, name, real)
