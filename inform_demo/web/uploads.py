"""What may be uploaded: a file that the batch tab can read, by its ending, while there is room. Else there is no trace.

Knows the answer of Gradio's upload route, a JSON list of paths; the check stands here because the route itself takes
files of every kind, and `file_types` of a component is a hint to the browser.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inform_demo.batch_files import ENDINGS

# Files are deleted once read; this is for those that nobody comes back for, until they are an hour old.
MOST_HELD_BYTES = 500_000_000

# What a file takes on a disk at least, so that their number is bounded as well.
_BLOCK_BYTES = 4096


def held_bytes(folder: Path) -> int:
    """About how much disk the uploads take, those on their way included."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # deleted meanwhile
            total += max(_BLOCK_BYTES, file.lstat().st_size)
    return total


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
