"""What may be uploaded: a file that the batch tab can read, by its ending, while there is room. Else there is no trace.

Each lies in a folder of its own: Gradio puts equal bytes of all visitors to one path, where whoever reads them first
would take them from the others.
Knows the answer of Gradio's upload route, a JSON list of paths, and the names that it gives; the check stands here
because the route itself takes files of every kind, and `file_types` of a component is a hint to the browser.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import re
import shutil
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from weakref import WeakKeyDictionary

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inform_demo.batch_files import ENDINGS
from inform_demo.ui.batch_jobs import UPLOAD_FOLDER, name_upload_folder
from inform_demo.web.access import visitor_of
from inform_demo.web.bodies import BodyError

logger = logging.getLogger(__name__)

# Files are deleted once read; this is for those that nobody comes back for, until they are an hour old.
MOST_HELD_BYTES = 500_000_000

# What a file takes on a disk at least, so that their number is bounded as well.
_BLOCK_BYTES = 4096

# What Gradio calls an upload on its way, the folder that it puts it into, a hash, and ours, where it goes from there.
_ON_ITS_WAY = re.compile(r"tmp[a-z0-9_]{8}")
_FOLDER = re.compile(rf"[0-9a-f]{{64}}|{UPLOAD_FOLDER.pattern}")

# The folder of all uploads to one process.
_PREFIX = "inform-demo-uploads-"
_CLAIMED = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")

# Between Gradio's putting an upload to the path of its bytes and its leaving there, no other one may come; one lock for
# each event loop, which it belongs to.
_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def claim_folder() -> None:
    """Give Gradio a folder of this process alone, unless one was named; call before any component is made.

    Its own default is one for all Gradio pages of the machine: their files would be counted here, and be swept; and
    only the user who made it could write there.
    """
    if os.environ.get("GRADIO_TEMP_DIR"):
        return
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()  # mkdtemp lets nobody else in
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _lock(folder)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)


def _lock(folder: Path) -> int | None:
    """A handle by which this process holds a folder until it ends, however it does; None where it cannot."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    handle = None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another process, gone, or on a disk without locks
        if handle is not None:
            os.close(handle)
        return None
    return handle


def sweep_left(older_than_s: float) -> int:
    """Delete folders of processes of this user that were killed; how many. Their files cannot be asked for any more."""
    n_deleted = 0
    for entry in _entries(Path(tempfile.gettempdir())):
        # One of this moment may have been made and not locked yet.
        if not _CLAIMED.fullmatch(entry.name) or not _is_old(entry, older_than_s):
            continue
        handle = _lock(Path(entry))
        if handle is not None:
            if os.fstat(handle).st_uid == os.getuid():
                shutil.rmtree(entry, ignore_errors=True)
                n_deleted += 1
            os.close(handle)
    return n_deleted


def _is_old(entry: os.DirEntry[str], older_than_s: float) -> bool:
    """Whether it was last written that long ago; not where it is gone."""
    with suppress(OSError):
        return entry.stat(follow_symlinks=False).st_mtime < time.time() - older_than_s
    return False


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
    n_deleted = 0
    for entry in _entries(folder):
        with suppress(OSError):  # deleted meanwhile, or an upload came into the folder
            is_old = _is_old(entry, older_than_s)  # before what is in it goes, which makes it younger
            if _FOLDER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                n_deleted += sum(_delete_old(file, older_than_s) for file in _entries(Path(entry)))
                if is_old:
                    Path(entry).rmdir()
                    n_deleted += 1
            elif _ON_ITS_WAY.fullmatch(entry.name):
                n_deleted += _delete_old(entry, older_than_s)
    return n_deleted


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []  # there was no upload yet


def _delete_old(file: os.DirEntry[str], older_than_s: float) -> bool:
    with suppress(OSError):
        if not file.is_dir(follow_symlinks=False) and _is_old(file, older_than_s):
            Path(file).unlink()
            return True
    return False


async def keep_swept(folder: Path, every_s: float, older_than_s: float) -> None:
    """Sweep at once, and so often until it is cancelled."""
    while True:
        n_deleted = await run_in_threadpool(sweep, folder, older_than_s)
        n_deleted += await run_in_threadpool(sweep_left, older_than_s)
        if n_deleted:
            logger.info("Swept uploads that nobody came back for.", extra={"n_deleted": n_deleted})
        await asyncio.sleep(every_s)


class _Body:
    """The body of an upload on its way to Gradio, which has its turn once the last of it is handed on.

    Of all faults, Gradio's parser deletes what it has written after its own kind only.
    """

    def __init__(self, receive: Receive, turn: AsyncExitStack) -> None:
        self._receive = receive
        self._turn = turn
        self._whole = False
        self.fault: BodyError | None = None

    async def __call__(self) -> Message:
        try:
            message = await self._receive()
        except BodyError as error:
            self.fault = error
            raise MultiPartException(error.detail) from error
        if self._whole:
            return message
        if message["type"] == "http.disconnect":
            raise MultiPartException("The client left.")
        if not message.get("more_body", False):
            self._whole = True
            await self._turn.enter_async_context(_TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock()))
        return message


async def serve_upload(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the app take the upload, then look at what it was, and put it aside, before anyone is told where it is."""
    held: list[Message] = []

    async def hold(message: Message) -> None:
        held.append(message)

    async with AsyncExitStack() as turn:
        body = _Body(receive, turn)
        await app(scope, body, hold)
        files = [] if body.fault else _paths(b"".join(message.get("body", b"") for message in held))
        is_table = all(file.suffix.lower() in ENDINGS for file in files)
        if files and is_table:
            moved = {file: str(_set_apart(file, visitor_of(scope))) for file in dict.fromkeys(files)}
            held = _with_body(held[0], json.dumps([moved[file] for file in files]).encode())
        elif not is_table:
            for file in files:
                file.unlink(missing_ok=True)
    if body.fault:
        await JSONResponse({"detail": body.fault.detail}, body.fault.status_code)(scope, receive, send)
    elif is_table:
        for message in held:
            await send(message)
    else:
        words = f"Expected a file that ends in {', '.join(ENDINGS)}; got another."
        await JSONResponse({"detail": words, "error": words}, 415)(scope, receive, send)


def _set_apart(file: Path, visitor: str) -> Path:
    """Move a file from the path of its bytes to one that no other upload comes to; its path then."""
    folder = file.parent.parent / name_upload_folder(visitor)
    folder.mkdir(mode=0o700)
    moved = file.rename(folder / file.name)
    with suppress(OSError):  # another file of the same bytes lies there
        file.parent.rmdir()
    return moved


def _with_body(start: Message, body: bytes) -> list[Message]:
    """An answer that begins as another did, with a body of its own."""
    start = {**start, "headers": list(start["headers"])}
    MutableHeaders(scope=start)["content-length"] = str(len(body))
    return [start, {"type": "http.response.body", "body": body}]


def _paths(body: bytes) -> list[Path]:
    try:
        answer = json.loads(body)
    except ValueError:
        return []  # a refusal in words
    return [Path(path) for path in answer if isinstance(path, str)] if isinstance(answer, list) else []
