"""What a client sends, read with a bound on its bytes, its pace and the depth of its JSON.

Knows ASGI's messages; knows no route. A violation is a `BodyError` with the status to answer.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

# Sixteen answers of a million characters: more than any limit of tokens lets through.
MOST_JSON_BYTES = 20_000_000

# Far deeper than any request of the page or of the API; far less than what makes a parser recurse too deep.
MOST_DEPTH = 64

# A stalled client is let go after the first; one that drips, after the second.
PAUSE_S = 20.0
WHOLE_S = 180.0

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def parse_json(body: bytes) -> Any:
    """The value of a body; None for what is no JSON, which is for the page behind the gate to answer."""
    try:
        return json.loads(body or b"null")
    except ValueError:
        return None


def count_pairs(call: Any) -> int:
    """The pairs of a call of /batch, in any form that programs send it in; 1 for a call of anything else."""
    if not isinstance(call, dict):
        return 1
    data = call.get("data")
    pairs = data[0] if isinstance(data, list) and data else call.get("pairs")
    return max(1, len(pairs)) if isinstance(pairs, list) and all(isinstance(pair, dict) for pair in pairs) else 1


class BodyError(HTTPException):
    """A body that is too large, too slow or too deep; Starlette and the gate both answer it with its status."""


def json_depth(data: bytes) -> int:
    """How deep arrays and objects of a JSON text are nested, without parsing it; brackets in strings do not count."""
    if data.count(b"[") + data.count(b"{") <= MOST_DEPTH:
        return 0  # it cannot be deeper: the usual case costs two scans in C
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


class BoundedReceive:
    """A `receive` that ends a body which is larger than `most_bytes`, or slower than anyone's line.

    Raises:
        BodyError: 413 or 408, out of the call that found it.
    """

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive = receive
        self._most_bytes = most_bytes
        self._n_bytes = 0
        self._ended = False
        self._deadline = time.monotonic() + WHOLE_S

    async def __call__(self) -> Message:
        """The next message; without a bound once the body is complete, when there is only the end to wait for."""
        if self._ended:
            return await self._receive()
        try:
            patience_s = min(PAUSE_S, self._deadline - time.monotonic())
            message = await asyncio.wait_for(self._receive(), max(0.0, patience_s))
        except TimeoutError:
            raise BodyError(408, "The request took too long to arrive.") from None
        self._n_bytes += len(message.get("body", b""))
        if self._n_bytes > self._most_bytes:
            raise BodyError(413, f"The request is larger than {self._most_bytes:,} bytes.")
        self._ended = not message.get("more_body", False)
        return message


async def read_json(receive: Receive) -> tuple[bytes, Receive]:
    """A whole body that is to be JSON, and a `receive` that gives it again.

    Raises:
        BodyError: 400 where it is nested too deep, 408 or 413.
    """
    bounded = BoundedReceive(receive, MOST_JSON_BYTES)
    chunks = []
    while True:
        message = await bounded()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    body = b"".join(chunks)
    if json_depth(body) > MOST_DEPTH:
        raise BodyError(400, f"The JSON is nested deeper than {MOST_DEPTH} levels.")
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return body, again
