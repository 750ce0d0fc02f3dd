"""What a client sends, read with a bound on its bytes, its pace and the depth of its JSON.

Knows ASGI's messages; knows no route. A violation is a `BodyError` with the status to answer.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from inform_demo.json_bounds import measure_json

# Sixteen answers of a million characters: more than any limit of tokens lets through.
MOST_JSON_BYTES = 20_000_000

# Far more than a request that asks for nothing to be computed has to say.
MOST_SMALL_BYTES = 64 * 1024

# Far deeper than any request of the page or of the API; far less than what makes a parser recurse too deep.
MOST_DEPTH = 64

# Texts, brackets and commas: more than a batch of 200 long conversations has, and few enough to be looked at one by one
# between two requests of others.
MOST_PARTS = 200_000

# A stalled client is let go after the first; one that drips, after the second.
PAUSE_S = 20.0
WHOLE_S = 180.0


def parse_json(body: bytes) -> Any:
    """The value of a body; None for what is no JSON, which is for the page behind the gate to answer."""
    try:
        return json.loads(body or b"null")
    except ValueError:
        return None


class BodyError(HTTPException):
    """A body that is too large, too slow or too deep; Starlette and the gate both answer it with its status."""


def json_depth(data: bytes) -> int:
    """How deep arrays and objects of a JSON text are nested, without parsing it; brackets in strings do not count.

    Looks no further than it has to: one more than `MOST_DEPTH` is whatever is deeper.

    Raises:
        BodyError: 400 where there are more than `MOST_PARTS`.
    """
    n_opened = data.count(b"[") + data.count(b"{")
    if n_opened <= MOST_DEPTH and n_opened + data.count(b",") <= MOST_PARTS // 4:
        return 0  # it can be neither deep nor in many parts: the usual case costs three scans in C
    n_parts, depth = measure_json(data, MOST_PARTS, MOST_DEPTH)
    if n_parts > MOST_PARTS:
        raise BodyError(400, f"The JSON has more than {MOST_PARTS:,} texts, brackets and commas.")
    return depth


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


async def read_json(
    receive: Receive, most_bytes: int | None = None, hold: Callable[[int], None] | None = None
) -> tuple[bytes, Receive]:
    """A whole body that is to be JSON, and a `receive` that gives it again.

    Args:
        receive: where it comes from.
        most_bytes: `MOST_JSON_BYTES` without it.
        hold: is told of bytes before they are kept, and may refuse.

    Raises:
        BodyError: 400 where it is nested too deep, has too many parts or is no UTF-8, 408 or 413.
    """
    bounded = BoundedReceive(receive, MOST_JSON_BYTES if most_bytes is None else most_bytes)
    kept = bytearray()  # in pieces, bytes that come one by one would take forty times their room
    while True:
        message = await bounded()
        piece = message.get("body", b"")
        if hold:
            hold(len(piece))
        kept += piece
        if not message.get("more_body", False):
            break
    body = bytes(kept)
    # Python's parser would guess other encodings, in which a bracket looks like part of a text here.
    if not json.detect_encoding(body).startswith("utf-8"):
        raise BodyError(400, "Expected JSON in UTF-8.")
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
