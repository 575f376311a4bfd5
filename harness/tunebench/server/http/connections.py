"""Connections that end when the client makes no progress, and the configuration of uvicorn.

uvicorn itself only closes idle connections between two requests. Half a request, or an answer that
is not read, it keeps without end, and any number of connections.
"""

import asyncio
import http
import socket
import struct
from typing import cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from tunebench.server.http.own_user import is_own_user
from tunebench.server.http_errors import ApiError

PATIENCE = 30.0
"""Seconds in which a client sends its headers, or goes on with a body or with reading."""

_BYTES_PER_SECOND = 500  # progress: so many bytes, sent or read, are a second more
MAX_CONNECTIONS = 512
_MAX_REFUSED = 64  # beyond them: connections whose client may still read that there are too many
# What a client may go on sending after its answer, and how long. A connection that is closed at
# once is reset, and some systems drop the answer that the client has not read yet.
_DRAIN_BYTES = 4 << 20
_DRAIN_SECONDS = 2.0

# What one connection may send before the others have their turn: in chunks of one byte h11 takes
# some 10 µs for each.
_READ_BYTES = 1 << 14


def configuration(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        # uvicorn would take uvloop where it is installed, as with Ray; the time limits here are
        # those of asyncio's transports.
        loop="asyncio",
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )


class Connection(H11Protocol, asyncio.BufferedProtocol):
    """uvicorn's connection, with a time limit wherever it waits for the client."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to look after the client's progress."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._buffer = bytearray(_READ_BYTES)
        self._left = PATIENCE
        self._received = 0
        self._unsent = 0
        self._timer = self.loop.call_later(PATIENCE / 6, self._check)
        self._refused = False
        self._undrained = _DRAIN_BYTES
        self._drain_timer: asyncio.TimerHandle | None = None
        if (beyond := len(self.connections) - MAX_CONNECTIONS) > 0:
            self._refuse(at_once=beyond > _MAX_REFUSED)
        else:
            self.app_state = {**self.app_state, "own_user": is_own_user(transport)}

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to look."""
        self._timer.cancel()
        if self._drain_timer is not None:
            self._drain_timer.cancel()
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the next bytes."""
        self._received += nbytes
        if self._drains:
            self._undrained -= nbytes
            if self._undrained < 0:
                self.transport.abort()
                return
        if not self._refused:
            self.data_received(bytes(self._buffer[:nbytes]))

    def on_response_complete(self) -> None:
        """Give the next request its own time, and little to the rest of a refused body."""
        self._left = PATIENCE
        super().on_response_complete()
        if self._drains:
            self._drain()

    @property
    def _drains(self) -> bool:
        """Whether all is answered, and what the client still sends is thrown away."""
        half = self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY
        return self._refused or half

    def _drain(self) -> None:
        if self._drain_timer is not None:
            self._drain_timer.cancel()
        self._undrained = _DRAIN_BYTES
        self._drain_timer = self.loop.call_later(_DRAIN_SECONDS, self._end_drain)

    def _end_drain(self) -> None:
        if self._drains:
            self.transport.abort()

    def _refuse(self, *, at_once: bool) -> None:
        self._refused = True
        if at_once:
            self.transport.abort()
            return
        message = f"There are {MAX_CONNECTIONS} connections to this server already; try again."
        self._write(ApiError(503, message, headers={"connection": "close", "retry-after": "1"}))
        self.transport.write_eof()
        self._drain()

    def _check(self) -> None:
        interval = PATIENCE / 6
        self._timer = self.loop.call_later(interval, self._check)
        received, self._received = self._received, 0
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if self._unsent:
            progress = max(0, before - self._unsent)
        elif self.cycle is None or self.cycle.response_complete:
            progress = 0  # the headers' time is limited as a whole
        elif self.cycle.more_body and not self.flow.read_paused:
            progress = received
        else:
            self._left = PATIENCE  # the client waits for the server
            return
        self._left = min(PATIENCE, self._left - interval + progress / _BYTES_PER_SECOND)
        if self._left <= 0:
            self._give_up()

    def _give_up(self) -> None:
        if self._unsent or self.transport.is_closing():
            # Without it the kernel goes on offering what it holds of the answer.
            reset = struct.pack("ii", 1, 0)
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            self.transport.abort()
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            message = f"The request did not arrive within {PATIENCE:.0f} seconds; send it again."
            self._write(ApiError(408, message, headers={"connection": "close"}))
        self.transport.close()

    def _write(self, error: ApiError) -> None:
        answer = error.response()
        reason = http.HTTPStatus(error.status_code).phrase.encode()
        head = h11.Response(
            status_code=error.status_code, headers=answer.raw_headers, reason=reason
        )
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
