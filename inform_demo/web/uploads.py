"""What may be uploaded: a file that the batch tab can read, by its ending, while there is room. Else there is no trace.

Knows the answer of Gradio's upload route, a JSON list of paths, and the names that it gives; the check stands here
because the route itself takes files of every kind, and `file_types` of a component is a hint to the browser.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inform_demo.batch_files import ENDINGS
from inform_demo.web.bodies import BodyError

logger = logging.getLogger(__name__)

# Files are deleted once read; this is for those that nobody comes back for, until they are an hour old.
MOST_HELD_BYTES = 500_000_000

# What a file takes on a disk at least, so that their number is bounded as well.
_BLOCK_BYTES = 4096

# What Gradio calls an upload on its way, and the folder that it puts it into: a hash.
_ON_ITS_WAY = re.compile(r"tmp[a-z0-9_]{8}")
_FOLDER = re.compile(r"[0-9a-f]{64}")


def claim_folder() -> None:
    """Give Gradio a folder that no other program uses, unless one was named; call before any component is made.

    Its own default is one for all Gradio pages of the machine: their files would be counted here, and be swept.
    """
    if not os.environ.get("GRADIO_TEMP_DIR"):
        os.environ["GRADIO_TEMP_DIR"] = str(Path(tempfile.gettempdir()).resolve() / "inform-demo-uploads")


def held_bytes(folder: Path) -> int:
    """About how much disk the uploads take, those on their way included."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # deleted meanwhile
            total += max(_BLOCK_BYTES, file.lstat().st_size)
    return total


def sweep(folder: Path, older_than_s: float) -> int:
    """Delete what uploads have left: files last written longer ago than that, and their folders once empty.

    Gradio forgets what broke off, came in a field that it does not read, or lay there when the process was killed.
    Nothing is touched that has another name than Gradio gives, in case someone named a folder that holds other things.

    Returns:
        How many files and folders went.
    """
    before, n_deleted = time.time() - older_than_s, 0
    for entry in _entries(folder):
        with suppress(OSError):  # deleted meanwhile, or an upload came into the folder
            is_old = entry.stat(follow_symlinks=False).st_mtime < before
            if _FOLDER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                n_deleted += sum(_delete_old(file, before) for file in _entries(Path(entry)))
                if is_old:
                    Path(entry).rmdir()
                    n_deleted += 1
            elif _ON_ITS_WAY.fullmatch(entry.name):
                n_deleted += _delete_old(entry, before)
    return n_deleted


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []  # there was no upload yet


def _delete_old(file: os.DirEntry[str], before: float) -> bool:
    with suppress(OSError):
        if not file.is_dir(follow_symlinks=False) and file.stat(follow_symlinks=False).st_mtime < before:
            Path(file).unlink()
            return True
    return False


async def keep_swept(folder: Path, every_s: float, older_than_s: float) -> None:
    """Sweep at once, and so often until it is cancelled."""
    while True:
        n_deleted = await run_in_threadpool(sweep, folder, older_than_s)
        if n_deleted:
            logger.info("Swept uploads that nobody came back for.", extra={"n_deleted": n_deleted})
        await asyncio.sleep(every_s)


async def serve_upload(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the app take the upload, then look at what it was before anyone is told where it is."""
    held: list[Message] = []
    faults: list[BodyError] = []
    whole = False

    async def take() -> Message:
        """The next of the body. Of all faults, Gradio's parser deletes what it has written after its own kind only."""
        nonlocal whole
        try:
            message = await receive()
        except BodyError as error:
            faults.append(error)
            raise MultiPartException(error.detail) from error
        if message["type"] == "http.disconnect" and not whole:
            raise MultiPartException("The client left.")
        whole = whole or not message.get("more_body", False)
        return message

    async def hold(message: Message) -> None:
        held.append(message)

    await app(scope, take, hold)
    if faults:
        await JSONResponse({"detail": faults[0].detail}, faults[0].status_code)(scope, receive, send)
        return
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
