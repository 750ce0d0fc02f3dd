"""Requests that Gradio's own routes stumble over: an answer in words for each, and one line in the log.

Gradio checks little of what it is sent. An argument too few, a function or an event that there is not, a form without a
file is an exception in its code: a status that blames the server, and a traceback that anyone could fill the log with.
Knows ASGI's messages and what Gradio raises; knows no route.
"""

from __future__ import annotations

import logging

from gradio.route_utils import FnIndexInferError
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

# What code raises that trusts its input. Handlers of the page do not come by here: the queue answers for theirs.
_STUMBLES = (AttributeError, KeyError, TypeError, ValueError, FnIndexInferError)

_WORDS = "The request does not fit what /gradio_api/openapi.json describes."


async def serve_or_refuse(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the app answer; where it stumbles before it has begun, 400; a stream of events ends where it stumbles."""
    content_type: str | None = None

    async def watched(message: Message) -> None:
        nonlocal content_type
        if message["type"] == "http.response.start":
            content_type = dict(message["headers"]).get(b"content-type", b"").decode()
        await send(message)

    try:
        await app(scope, receive, watched)
    except _STUMBLES as error:
        if content_type is not None:
            raise
        _log(scope, error)
        await JSONResponse({"detail": _WORDS, "error": _WORDS}, 400)(scope, receive, send)
    except RuntimeError as error:
        # Starlette's way to say that a route refused what it had begun to answer. Gradio has told the client by then.
        if error.__cause__ is None or not (content_type or "").startswith("text/event-stream"):
            raise
        _log(scope, error.__cause__)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _log(scope: Scope, error: BaseException) -> None:
    """By its type only: the message may quote what was sent."""
    given = {"method": scope["method"], "path": scope["path"][:200], "kind": type(error).__name__}
    logger.warning("A request did not fit.", extra=given)
