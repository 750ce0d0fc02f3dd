"""The door before the page: health, headers, and who is turned away before anything of theirs is run.

An ASGI middleware around everything that Gradio serves. Knows requests, limits and words; knows nothing of rewards,
and of the model only whether it is there.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inform_demo.batch_files import MOST_BYTES
from inform_demo.config import HUGGING_FACE
from inform_demo.ui.events import RESTART_S
from inform_demo.ui.texts import Texts, resolve_texts
from inform_demo.ui.texts.faults import hide_paths
from inform_demo.web import metrics
from inform_demo.web.access import signed_in_user, visitor_of
from inform_demo.web.bodies import MOST_SMALL_BYTES, BodyError, BoundedReceive, parse_json, read_json
from inform_demo.web.calls import count_comparisons, file_paths, is_within
from inform_demo.web.door import Door, RefusedError, build_limits
from inform_demo.web.headers import head_bytes, security_headers
from inform_demo.web.logs import REQUEST_ID, new_request_id
from inform_demo.web.patience import MOST_CONNECTIONS, MOST_HEAD_BYTES
from inform_demo.web.routes import Kind, is_served, kind_of
from inform_demo.web.shares import Shares
from inform_demo.web.stumbles import serve_or_refuse
from inform_demo.web.uploads import MOST_HELD_BYTES, held_bytes, serve_upload

logger = logging.getLogger(__name__)

# Room for the form around a file of the largest size.
_MOST_UPLOAD_BYTES = MOST_BYTES + 100_000

# Bodies that are read, and not yet handed on, take no more memory than this, and those of one visitor a quarter of it.
MOST_READ_BYTES = 400_000_000

# Each open page holds two requests, so that this is a hundred pages, such as those of an office with one address.
MOST_REQUESTS_OF_ONE = MOST_CONNECTIONS // 10

# What is held by requests is free again when some of them end.
_CROWD_S = 5

# Uploads that nobody came back for are looked for this often.
_UPLOADS_S = 600

# What the page behind the gate refuses, by its status: why, for the metrics.
_REASONS = {400: "unfit", 408: "body", 413: "body", 415: "file_type", 422: "unfit"}

_NO_FILE = "Expected texts, or the path of a file that was uploaded here; got a reference to another file."

# What has to say little, so that little is read.
_SMALL = {Kind.LOGIN, Kind.NOTE}

# Gradio's tools for agents call the server itself: by this such a call is known, and was counted when it came in.
_COUNTED_HEADER = "x-inform-counted"


class Gate:
    """The middleware; everything it needs to know is behind its `door`."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door
        self._limits = build_limits(door.config)
        self._headers = security_headers(door.config)
        self._counted = secrets.token_urlsafe()
        self._is_limited = Kind.SCORE in self._limits
        # One visitor may hold a quarter of the queue; where nobody is limited, all of it.
        self._most_places = max(1, door.config.max_queue // 4) if self._is_limited else door.config.max_queue
        self._joining = Shares()  # requests on their way into the queue
        self._open = Shares()  # requests that are being answered
        self._read_bytes = Shares()  # of bodies, until their requests are answered

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
                answer_headers = MutableHeaders(scope=message)
                answer_headers.update(self._headers | {"X-Request-ID": request_id})
                if is_let_in and message["status"] == 503:  # the queue filled up after it was looked at here
                    answer_headers.setdefault("Retry-After", str(math.ceil(self._door.wait_s())))
                self._log(scope, message["status"], began)
                if is_let_in and message["status"] in _REASONS:
                    metrics.REFUSED.labels(reason=_REASONS[message["status"]]).inc()
            await send(message)

        kind, is_let_in = kind_of(scope["method"], scope["path"]), False
        with self._counting_in(kind, scope) as hold:
            try:
                self._check_head(scope)
                response = self._own_answer(scope)
                if response is None:
                    receive = await self._admit(scope, receive, hold)
            except (RefusedError, BodyError) as error:
                response = self._turn_away(error)
            if response is not None:
                await response(scope, receive, sealed)
                return
            is_let_in = True
            app = partial(serve_upload, self._app) if kind is Kind.UPLOAD else self._app
            await serve_or_refuse(app, scope, receive, sealed)

    @contextmanager
    def _counting_in(self, kind: Kind, scope: Scope) -> Iterator[Callable[[int], None]]:
        """Count what the request holds until it is answered: itself, its place in the queue, and what is read of it.

        Gives the function to call before bytes of its body are kept, which raises `RefusedError` where there is no
        room for them.
        """
        visitor, joins, n_bytes = visitor_of(scope), int(kind in {Kind.SCORE, Kind.AGENT}), 0

        def hold(n: int) -> None:
            nonlocal n_bytes
            n_bytes += n
            self._read_bytes.change(visitor, n)
            most_of_one = MOST_READ_BYTES // 4 if self._is_limited else MOST_READ_BYTES
            if self._read_bytes.total > MOST_READ_BYTES or self._read_bytes.of(visitor) > most_of_one:
                t = resolve_texts(MutableHeaders(scope=scope).get("accept-language"))
                refused = RefusedError(503, "bodies", t.page.bodies_full.format(seconds=_CROWD_S), _CROWD_S)
                refused.response.headers["Connection"] = "close"  # what is left of the body is not read
                raise refused

        self._open.change(visitor, 1)
        self._joining.change(visitor, joins)
        try:
            yield hold
        finally:
            self._open.change(visitor, -1)
            self._joining.change(visitor, -joins)
            self._read_bytes.change(visitor, -n_bytes)

    def _turn_away(self, error: RefusedError | BodyError) -> Response:
        if isinstance(error, RefusedError):
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

    async def _admit(self, scope: Scope, receive: Receive, hold: Callable[[int], None]) -> Receive:
        """The `receive` to go on with.

        Raises:
            RefusedError, BodyError: the request is turned away.
        """
        config, headers = self._door.config, MutableHeaders(scope=scope)
        t = resolve_texts(headers.get("accept-language"))
        if not is_served(scope["path"], config.mcp):
            raise RefusedError(404, "route", "Not found.")
        kind = kind_of(scope["method"], scope["path"])
        counted = secrets.compare_digest(headers.get(_COUNTED_HEADER, "").encode(), self._counted.encode())
        if not counted:
            del headers[_COUNTED_HEADER]
            self._check_crowd(scope, t)
            self._check_limit(kind, scope, t)
        if kind in {Kind.SCORE, Kind.UPLOAD}:
            self._check_place(kind, scope, t, counted)
        if scope["method"] != "POST":
            return receive
        if kind is Kind.UPLOAD:
            if await run_in_threadpool(held_bytes, self._door.uploads()) > MOST_HELD_BYTES:
                words = t.batch.uploads_full.format(minutes=_UPLOADS_S // 60)
                raise RefusedError(503, "uploads_full", words, _UPLOADS_S)
            return BoundedReceive(receive, _MOST_UPLOAD_BYTES)
        body, receive = await read_json(receive, MOST_SMALL_BYTES if kind in _SMALL else None, hold)
        if kind not in _SMALL:
            self._admit_call(parse_json(body), kind, scope, t, counted)
        return receive

    def _admit_call(self, call: object, kind: Kind, scope: Scope, t: Texts, counted: bool) -> None:
        """What only the body tells."""
        self._check_files(call)
        if kind is Kind.AGENT:
            self._admit_agent(call, scope, t)
        elif kind is Kind.SCORE:
            self._check_place(kind, scope, t, counted)  # others may have come while this was read
            if not counted:
                self._charge(call, scope)

    def _check_files(self, call: object) -> None:
        """Let in no call that refers to a file but by the path of an upload: anything else Gradio would go and get.

        For an agent even a file of the server, which the client that it has for agents uploads as if it were theirs.
        """
        if not all(is_within(path, self._door.uploads()) for path in file_paths(call)):
            raise RefusedError(400, "file", _NO_FILE)

    @staticmethod
    def _check_head(scope: Scope) -> None:
        """Bound heads that come whole, too: h11 measures those only whose end it still waits for."""
        if head_bytes(scope) > MOST_HEAD_BYTES:
            raise RefusedError(431, "head", f"The head of the request is larger than {MOST_HEAD_BYTES:,} bytes.")

    def _check_crowd(self, scope: Scope, t: Texts) -> None:
        if self._is_limited and self._open.of(visitor_of(scope)) > MOST_REQUESTS_OF_ONE:
            words = t.page.too_many_open.format(count=MOST_REQUESTS_OF_ONE, seconds=_CROWD_S)
            raise RefusedError(429, "crowd", words, _CROWD_S)

    def _charge(self, call: object, scope: Scope) -> None:
        """Take tokens for all comparisons of a call but the first, for which one was taken to be let in."""
        if self._is_limited:
            self._limits[Kind.SCORE].charge(visitor_of(scope), count_comparisons(call, self._door.ranking) - 1)

    def _check_limit(self, kind: Kind, scope: Scope, t: Texts) -> None:
        wait_s = self._limits[kind].take(visitor_of(scope)) if kind in self._limits else 0.0
        if wait_s:
            words = t.page.too_many_requests.format(seconds=math.ceil(wait_s))
            raise RefusedError(429, "rate", words, wait_s)

    def _check_place(self, kind: Kind, scope: Scope, t: Texts, counted: bool = False) -> None:
        config = self._door.config
        if self._door.stopping.is_asked:
            raise RefusedError(503, "stopping", t.page.stopping.format(seconds=RESTART_S), RESTART_S)
        if config.auth == HUGGING_FACE and signed_in_user(scope) is None:
            raise RefusedError(401, "sign_in", t.page.sign_in)
        if kind is Kind.SCORE and self._door.queue_length() >= config.max_queue:
            wait_s = self._door.wait_s()
            words = t.page.queue_full.format(count=config.max_queue, seconds=math.ceil(wait_s))
            raise RefusedError(503, "queue_full", words, wait_s)
        # Calls that the server makes in an agent's name count as the agent's request does, which waits for them.
        visitor = visitor_of(scope)
        if (
            kind is Kind.SCORE
            and not counted
            and self._door.held_by(visitor) + self._joining.of(visitor) > self._most_places
        ):
            wait_s = self._door.wait_s()
            words = t.compare.places_held.format(count=self._most_places, seconds=math.ceil(wait_s))
            raise RefusedError(429, "places", words, wait_s)

    def _admit_agent(self, message: object, scope: Scope, t: Texts) -> None:
        """Count what an agent asks the model for; Gradio then comes back for it in the agent's name."""
        for call in message if isinstance(message, list) else [message]:
            if isinstance(call, dict) and call.get("method") == "tools/call":
                self._check_limit(Kind.SCORE, scope, t)
                self._check_place(Kind.SCORE, scope, t)
                params = call.get("params")
                self._charge(params.get("arguments") if isinstance(params, dict) else None, scope)
        MutableHeaders(scope=scope)[_COUNTED_HEADER] = self._counted

    def _log(self, scope: Scope, status: int, began: float) -> None:
        """A line for what was refused, failed, or asked for work; without the query, which names sessions."""
        kind = kind_of(scope["method"], scope["path"])
        is_worth_it = status >= 400 or kind in {Kind.SCORE, Kind.UPLOAD, Kind.LOGIN}
        given = {"method": scope["method"], "path": scope["path"][:200], "status": status}
        level = logging.INFO if is_worth_it else logging.DEBUG
        if logger.isEnabledFor(level):
            logger.log(level, "request", extra={**given, "took_s": round(time.monotonic() - began, 4)})
