"""Requests that Gradio's own routes stumble over: an answer in words for each, and one line in the log.

Gradio checks little of what it is sent. An argument too few, a function or an event that there is not, a form without a
file is an exception in its code: a status that blames the server, and a traceback that anyone could fill the log with.
Knows ASGI's messages; knows no route.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

# What code raises that trusts its input. Handlers of the page do not come by here: the queue answers for theirs.
_STUMBLES = (AttributeError, KeyError, TypeError, ValueError)

_EVENTS = "text/event-stream"

UNFIT = "The request does not fit what /gradio_api/openapi.json describes."

# Here Gradio says of every fault that it is the server's own.
_DIRECT = ("/gradio_api/run/", "/gradio_api/api/")


async def serve_or_refuse(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the app answer; where it stumbles before it has begun, 400; a stream of events ends where it stumbles."""
    content_type: str | None = None
    held: Message | None = None

    async def watched(message: Message) -> None:
        nonlocal content_type, held
        if message["type"] == "http.response.start":
            content_type = dict(message["headers"]).get(b"content-type", b"").decode()
            if message["status"] == 500 and scope["path"].startswith(_DIRECT):
                held = message
                return
        elif held:
            await send({**held, "status": 400 if UNFIT.encode() in message.get("body", b"") else 500})
            held = None
        await send(message)

    try:
        await app(scope, receive, watched)
    except Exception as error:
        if content_type is None and is_stumble(error):
            log_stumble(error, scope)
            await JSONResponse({"detail": UNFIT, "error": UNFIT}, 400)(scope, receive, send)
        elif isinstance(error, RuntimeError) and error.__cause__ and (content_type or "").startswith(_EVENTS):
            # Starlette's way to say that a route refused what it had begun to answer. Gradio has told the client.
            log_stumble(error.__cause__, scope)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            raise


def is_stumble(error: Exception) -> bool:
    """Whether code that trusts its input can have raised it because of that input."""
    # Gradio makes addresses of what it is sent, and httpx refuses some.
    return isinstance(error, _STUMBLES) or type(error).__module__.split(".")[0] in {"gradio", "httpx"}


def log_stumble(error: BaseException, scope: Scope | None = None) -> None:
    """By its type and the line that raised it only: the message may quote what was sent."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    given = {"kind": type(error).__name__, "at": f"{Path(frame.filename).name}:{frame.lineno}"}
    if scope:
        given |= {"method": scope["method"], "path": scope["path"][:200]}
    logger.warning("A request did not fit.", extra=given)
