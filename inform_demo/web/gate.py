"""The door before the page: health, headers, and who is turned away before anything of theirs is run.

An ASGI middleware around everything that Gradio serves. Knows requests, limits and words; knows nothing of rewards,
and of the model only whether it is there.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inform_demo.batch_files import MOST_BYTES
from inform_demo.config import DEFAULT_RATE_LIMIT, HUGGING_FACE, SPACE_FRAMES, ServeConfig
from inform_demo.slot import SlotStatus
from inform_demo.ui.texts import Texts, resolve_texts
from inform_demo.ui.texts.faults import hide_paths
from inform_demo.web import metrics
from inform_demo.web.access import signed_in_user, visitor_of
from inform_demo.web.bodies import BodyError, BoundedReceive, count_pairs, parse_json, read_json
from inform_demo.web.limits import Buckets
from inform_demo.web.logs import REQUEST_ID, new_request_id
from inform_demo.web.routes import Kind, is_served, kind_of
from inform_demo.web.stopping import Stopping
from inform_demo.web.stumbles import serve_or_refuse
from inform_demo.web.uploads import MOST_HELD_BYTES, held_bytes, serve_upload

logger = logging.getLogger(__name__)

# Room for the form around a file of the largest size.
_MOST_UPLOAD_BYTES = MOST_BYTES + 100_000

# A restart with the embedded model takes seconds; with 70B from a warm disk, minutes.
_RESTART_S = 60

# Uploads that nobody came back for are looked for this often.
_UPLOADS_S = 600

# What the page behind the gate refuses, by its status: why, for the metrics.
_REASONS = {400: "unfit", 408: "body", 413: "body", 415: "file_type", 422: "unfit"}

# Gradio's tools for agents call the server itself: by this such a call is known, and was counted when it came in.
_COUNTED_HEADER = "x-inform-counted"


@dataclass(frozen=True)
class Door:
    """What the gate looks at.

    Attributes:
        status: the state of the model.
        queue_length: how many wait for it. held_by: how many of them are one visitor.
        wait_s: about how long the queue takes as it is.
        uploads: the folder they come to.
    """

    config: ServeConfig
    status: Callable[[], SlotStatus]
    queue_length: Callable[[], int]
    held_by: Callable[[str], int]
    wait_s: Callable[[], float]
    uploads: Callable[[], Path]
    stopping: Stopping


class _RefusedError(Exception):
    """Turned away, with a status, a reason to count and words to show."""

    def __init__(self, status: int, reason: str, detail: str, wait_s: float = 0.0) -> None:
        self.response = JSONResponse({"detail": detail, "error": detail}, status)
        if wait_s:
            self.response.headers["Retry-After"] = str(math.ceil(wait_s))
        self.reason = reason


def _limits(config: ServeConfig) -> dict[Kind, Buckets]:
    default = DEFAULT_RATE_LIMIT if config.is_public else 0
    per_minute = default if config.rate_limit is None else config.rate_limit
    # Guessing a password is slow everywhere.
    buckets = {Kind.LOGIN: Buckets(12, burst=10)}
    if per_minute:
        # A burst is well below the queue's length, so that one visitor cannot take all its places.
        burst = max(1, min(10, per_minute, config.max_queue // 2))
        buckets[Kind.SCORE] = Buckets(per_minute, burst)
        buckets[Kind.UPLOAD] = Buckets(per_minute / 6, burst)
        buckets[Kind.ASIDE] = Buckets(20 * per_minute, 20 * burst)
    return buckets


def security_headers(config: ServeConfig) -> dict[str, str]:
    """What every answer carries.

    Gradio's page has scripts and styles in line and compiles the scripts of events, so both must be allowed; what is
    loaded, and where anything can be sent, is this server only.
    """
    frames = config.frame_ancestors
    if frames is None:
        frames = SPACE_FRAMES if config.is_space else ""
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; "
        f"frame-ancestors 'self' {frames}"
    )
    return {
        "Content-Security-Policy": policy.strip(),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }


class Gate:
    """The middleware; everything it needs to know is behind its `door`."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door
        self._limits = _limits(door.config)
        self._headers = security_headers(door.config)
        self._counted = secrets.token_urlsafe()
        # One visitor may hold a quarter of the queue; where nobody is limited, all of it.
        self._most_places = max(1, door.config.max_queue // 4) if Kind.SCORE in self._limits else door.config.max_queue
        self._joining: Counter[str] = Counter()  # requests on their way into the queue, by visitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or hand on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close"})  # no route of the page is a web socket

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = MutableHeaders(scope=scope)
        request_id = new_request_id(headers.get("x-request-id"))
        headers["x-request-id"] = request_id  # handlers read it there
        REQUEST_ID.set(request_id)
        began = time.monotonic()

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers | {"X-Request-ID": request_id})
                self._log(scope, message["status"], began)
                if is_let_in and message["status"] in _REASONS:
                    metrics.REFUSED.labels(reason=_REASONS[message["status"]]).inc()
            await send(message)

        kind, is_let_in = kind_of(scope["method"], scope["path"]), False
        with self._counting_in(kind, scope):
            try:
                response = self._own_answer(scope)
                if response is None:
                    receive = await self._admit(scope, receive)
            except (_RefusedError, BodyError) as error:
                response = self._turn_away(error)
            if response is not None:
                await response(scope, receive, sealed)
                return
            is_let_in = True
            app = partial(serve_upload, self._app) if kind is Kind.UPLOAD else self._app
            await serve_or_refuse(app, scope, receive, sealed)

    @contextmanager
    def _counting_in(self, kind: Kind, scope: Scope) -> Iterator[None]:
        """Count the request as a place that its visitor holds until it has one, or an answer."""
        if kind not in {Kind.SCORE, Kind.AGENT}:
            yield
            return
        visitor = visitor_of(scope)
        self._joining[visitor] += 1
        try:
            yield
        finally:
            self._joining[visitor] -= 1
            self._joining += Counter()  # forgets who has none left

    def _turn_away(self, error: _RefusedError | BodyError) -> Response:
        if isinstance(error, _RefusedError):
            metrics.REFUSED.labels(reason=error.reason).inc()
            return error.response
        metrics.REFUSED.labels(reason="body").inc()
        # What is left of the body is not read; the connection ends with the answer.
        return JSONResponse({"detail": error.detail}, error.status_code, {"Connection": "close"})

    def _own_answer(self, scope: Scope) -> Response | None:
        """Health and metrics; None for every other address."""
        if scope["path"] == "/healthz":
            return JSONResponse({"status": "alive"})
        if scope["path"] == "/readyz":
            status = self._door.status()
            state = "stopping" if self._door.stopping.is_asked else status.readiness
            detail = hide_paths(status.detail)
            report = {"state": state, "detail": detail, "elapsed_s": round(status.elapsed_s, 1)}
            return JSONResponse(report, 200 if state == "ready" else 503)
        if scope["path"] == "/metrics" and self._door.config.metrics:
            return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)
        return None

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        """The `receive` to go on with.

        Raises:
            _RefusedError, BodyError: the request is turned away.
        """
        config, headers = self._door.config, MutableHeaders(scope=scope)
        t = resolve_texts(headers.get("accept-language"))
        if not is_served(scope["path"], config.mcp):
            raise _RefusedError(404, "route", "Not found.")
        kind = kind_of(scope["method"], scope["path"])
        counted = secrets.compare_digest(headers.get(_COUNTED_HEADER, "").encode(), self._counted.encode())
        if not counted:
            del headers[_COUNTED_HEADER]
            self._check_limit(kind, scope, t)
        if kind in {Kind.SCORE, Kind.UPLOAD}:
            self._check_place(kind, scope, t, counted)
        if scope["method"] != "POST":
            return receive
        if kind is Kind.UPLOAD:
            if await run_in_threadpool(held_bytes, self._door.uploads()) > MOST_HELD_BYTES:
                words = t.batch.uploads_full.format(minutes=_UPLOADS_S // 60)
                raise _RefusedError(503, "uploads_full", words, _UPLOADS_S)
            return BoundedReceive(receive, _MOST_UPLOAD_BYTES)
        body, receive = await read_json(receive)
        if kind is Kind.AGENT:
            self._admit_agent(body, headers, scope, t)
        elif kind is Kind.SCORE and not counted:
            self._charge(parse_json(body), scope)
        return receive

    def _charge(self, call: object, scope: Scope) -> None:
        """Take tokens for all pairs of a call but the first, for which one was taken to be let in."""
        if Kind.SCORE in self._limits:
            self._limits[Kind.SCORE].charge(visitor_of(scope), count_pairs(call) - 1)

    def _check_limit(self, kind: Kind, scope: Scope, t: Texts) -> None:
        wait_s = self._limits[kind].take(visitor_of(scope)) if kind in self._limits else 0.0
        if wait_s:
            words = t.page.too_many_requests.format(seconds=math.ceil(wait_s))
            raise _RefusedError(429, "rate", words, wait_s)

    def _check_place(self, kind: Kind, scope: Scope, t: Texts, counted: bool = False) -> None:
        config = self._door.config
        if self._door.stopping.is_asked:
            raise _RefusedError(503, "stopping", t.page.stopping.format(seconds=_RESTART_S), _RESTART_S)
        if config.auth == HUGGING_FACE and signed_in_user(scope) is None:
            raise _RefusedError(401, "sign_in", t.page.sign_in)
        if kind is Kind.SCORE and self._door.queue_length() >= config.max_queue:
            wait_s = self._door.wait_s()
            words = t.page.queue_full.format(count=config.max_queue, seconds=math.ceil(wait_s))
            raise _RefusedError(503, "queue_full", words, wait_s)
        # Calls that the server makes in an agent's name count as the agent's request does, which waits for them.
        visitor = visitor_of(scope)
        if (
            kind is Kind.SCORE
            and not counted
            and self._door.held_by(visitor) + self._joining[visitor] > self._most_places
        ):
            wait_s = self._door.wait_s()
            words = t.compare.places_held.format(count=self._most_places, seconds=math.ceil(wait_s))
            raise _RefusedError(429, "places", words, wait_s)

    def _admit_agent(self, body: bytes, headers: MutableHeaders, scope: Scope, t: Texts) -> None:
        """Count what an agent asks the model for; Gradio then comes back for it in the agent's name."""
        message = parse_json(body)
        for call in message if isinstance(message, list) else [message]:
            if isinstance(call, dict) and call.get("method") == "tools/call":
                self._check_limit(Kind.SCORE, scope, t)
                self._check_place(Kind.SCORE, scope, t)
                params = call.get("params")
                self._charge(params.get("arguments") if isinstance(params, dict) else None, scope)
        headers[_COUNTED_HEADER] = self._counted

    def _log(self, scope: Scope, status: int, began: float) -> None:
        """A line for what was refused, failed, or asked for work; without the query, which names sessions."""
        kind = kind_of(scope["method"], scope["path"])
        is_worth_it = status >= 400 or kind in {Kind.SCORE, Kind.UPLOAD, Kind.LOGIN}
        given = {"method": scope["method"], "path": scope["path"][:200], "status": status}
        level = logging.INFO if is_worth_it else logging.DEBUG
        if logger.isEnabledFor(level):
            logger.log(level, "request", extra={**given, "took_s": round(time.monotonic() - began, 4)})
