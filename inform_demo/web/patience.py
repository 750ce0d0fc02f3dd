"""A bound on how long a client may take to say what it wants, and how much it may say, before there is a request.

Knows uvicorn's HTTP protocol; knows nothing of routes. Uvicorn itself waits for ever for the end of a header.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 15.0
MOST_HEAD_BYTES = 32 * 1024

# Each open page holds two connections. Above this, uvicorn answers 503 at once.
MOST_CONNECTIONS = 2000

# Of one address. More than its requests may be, which are counted where a proxy's visitors can be told apart.
MOST_CONNECTIONS_OF_ONE = MOST_CONNECTIONS // 4


class PatientProtocol(H11Protocol):
    """Closes a connection on which the head of a request has begun, or could have, and does not arrive.

    Args:
        is_bounded: whether an address may hold no more than `MOST_CONNECTIONS_OF_ONE`; what is above is closed unheard.
    """

    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, is_bounded: Callable[[str], bool], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_bounded = is_bounded

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the head of a first request within the bound."""
        super().connection_made(transport)
        host = _host_of(self)
        n_held = sum(_host_of(other) == host for other in self.connections)
        if n_held > MOST_CONNECTIONS_OF_ONE and self._is_bounded(host):
            transport.close()
            return
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


def _host_of(protocol: Any) -> str:
    return protocol.client[0] if protocol.client else ""


def _is_named(host: str, networks: str) -> bool:
    try:
        return any(ip_address(host) in ip_network(network.strip()) for network in networks.split(",") if network)
    except ValueError:
        return False


def harden(server: Any, *, is_limited: bool, proxies: str) -> None:
    """Bound the connections of a running uvicorn server that come from now on; Gradio has no option for it.

    Args:
        server: uvicorn's.
        is_limited: whether one visitor may hold a part only.
        proxies: addresses or networks, by comma, behind which there are many visitors.
    """
    is_bounded = lambda host: is_limited and not _is_named(host, proxies)  # noqa: E731
    server.config.http_protocol_class = partial(PatientProtocol, is_bounded=is_bounded)
    server.config.h11_max_incomplete_event_size = MOST_HEAD_BYTES
    server.config.limit_concurrency = MOST_CONNECTIONS
