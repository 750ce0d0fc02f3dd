"""A bound on how long a client may take to say what it wants, and how much it may say, before there is a request.

Knows uvicorn's HTTP protocol; knows nothing of routes. Uvicorn itself waits for ever for the end of a header.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 15.0
MOST_HEAD_BYTES = 32 * 1024

# Each open page holds two connections. Above this, uvicorn answers 503 at once.
MOST_CONNECTIONS = 2000


class PatientProtocol(H11Protocol):
    """Closes a connection on which the head of a request has begun, or could have, and does not arrive."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the head of a first request within the bound."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEAD_S, transport.close)

    def data_received(self, data: bytes) -> None:
        """Hand on, and expect the rest of a head that has begun."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget_timer()
        elif self._timer is None and self.conn.trailing_data[0]:
            self._timer = self.loop.call_later(HEAD_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._forget_timer()
        super().connection_lost(exc)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def harden(server: Any) -> None:
    """Bound the connections of a running uvicorn server that come from now on; Gradio has no option for it."""
    server.config.http_protocol_class = PatientProtocol
    server.config.h11_max_incomplete_event_size = MOST_HEAD_BYTES
    server.config.limit_concurrency = MOST_CONNECTIONS
