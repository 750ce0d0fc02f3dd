"""What may be uploaded: a file that the batch tab can read, by its ending. Anything else leaves no trace.

Knows the answer of Gradio's upload route, a JSON list of paths; the check stands here because the route itself takes
files of every kind, and `file_types` of a component is a hint to the browser.
"""

from __future__ import annotations

import json
from pathlib import Path

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inform_demo.batch_files import ENDINGS


async def serve_upload(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the app take the upload, then look at what it was before anyone is told where it is."""
    held: list[Message] = []

    async def hold(message: Message) -> None:
        held.append(message)

    await app(scope, receive, hold)
    files = _paths(b"".join(message.get("body", b"") for message in held))
    if all(file.suffix.lower() in ENDINGS for file in files):
        for message in held:
            await send(message)
        return
    for file in files:
        file.unlink(missing_ok=True)
    words = f"Expected a file that ends in {', '.join(ENDINGS)}; got another."
    await JSONResponse({"detail": words, "error": words}, 415)(scope, receive, send)


def _paths(body: bytes) -> list[Path]:
    try:
        answer = json.loads(body)
    except ValueError:
        return []  # a refusal in words
    return [Path(path) for path in answer if isinstance(path, str)] if isinstance(answer, list) else []
