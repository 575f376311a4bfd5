"""No connection while a recorded experiment replays."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from tunebench.errors import NetworkBlockedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTERNET = (socket.AF_INET, socket.AF_INET6)
_LOOK_UPS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr")


@contextmanager
def blocked_network(who: str) -> Iterator[None]:
    """Refuse every internet connection and name look-up made in this process.

    Unix sockets stay open: test runners talk to their workers over them.

    Args:
        who: what is replaying, for the message.
    """
    real = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto
    look_ups = {name: getattr(socket, name) for name in _LOOK_UPS}

    def refuse(address: object) -> NoReturn:
        raise NetworkBlockedError(
            f"{who}: a connection to {address!r} was refused, since replay never uses the "
            "network; record with --record=missing, or take that connection out."
        )

    def connect(self: socket.socket, address: Any, /) -> None:
        if self.family in _INTERNET:
            refuse(address)
        real[0](self, address)

    def connect_ex(self: socket.socket, address: Any, /) -> int:
        if self.family in _INTERNET:
            refuse(address)
        return real[1](self, address)

    def sendto(self: socket.socket, data: Any, *to: Any) -> int:
        if self.family in _INTERNET:
            refuse(to[-1])
        return real[2](self, data, *to)

    def look_up(host: Any, *_: Any, **__: Any) -> NoReturn:
        refuse(host)

    socket.socket.connect = connect  # type: ignore[assignment,method-assign]
    socket.socket.connect_ex = connect_ex  # type: ignore[assignment,method-assign]
    socket.socket.sendto = sendto  # type: ignore[assignment,method-assign]
    for name in look_ups:
        setattr(socket, name, look_up)
    try:
        yield
    finally:
        socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto = real  # type: ignore[method-assign]
        for name, function in look_ups.items():
            setattr(socket, name, function)
