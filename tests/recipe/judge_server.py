"""A judge of the tests' own behind a real socket: it prefers the longer answer, unless it is told to misbehave."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKENS_IN, TOKENS_OUT = 100, 10


@dataclass
class Reply:
    """What a request gets.

    Attributes:
        body: sent as JSON, or as it is where it is bytes.
        is_cut: the connection ends in the middle of the body.
        is_silent: nothing is said until the server closes.
    """

    body: object = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    is_silent: bool = False


def says(content, finish_reason="stop", refusal=None, usage=(TOKENS_IN, TOKENS_OUT)):
    """A well-formed chat completion."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    counts = usage and {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return Reply(
        {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": counts}
    )


def refuses(status, message="no", code=None, **headers):
    return Reply({"error": {"message": message, "code": code}}, status, headers)


def judged(winner, strength, reason="Because."):
    return says(json.dumps({"reason": reason, "winner": winner, "strength": strength}))


def shown_answers(body):
    """Both answers as a request shows them, taken apart by its own marker."""
    text = body["messages"][-1]["content"]
    marker = re.search(r"\[(\w+) end\]\n[^\n]*\Z", text).group(1)
    return re.search(
        rf"\[{marker} answer A\]\n(.*)\n\[{marker} answer B\]\n(.*)\n\[{marker} end\]", text, re.DOTALL
    ).groups()


def prefer_longer(body):
    """A judge without a mind for position: strength 1 to 3 by ten characters of difference each."""
    a, b = map(len, shown_answers(body))
    return judged("tie" if a == b else "A" if a > b else "B", min(3, 1 + abs(a - b) // 10))


class JudgeServer(ThreadingHTTPServer):
    """Attributes: script, for the next requests; respond, for those after it; the rest is what was seen."""

    request_queue_size = 64  # with fewer, a connection too many waits for a second
    daemon_threads = False  # closing waits for the threads, so that no socket is left over

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = deque()
        self.respond = prefer_longer
        self.bodies, self.headers, self.arrivals = [], [], []
        self.n_at_once = self.most_at_once = 0
        self.n_free = 10**9  # requests answered before the gate counts
        self.gate = threading.Event()
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def take(self, body, headers):
        with self.lock:
            self.bodies.append(body)
            self.headers.append(headers)
            self.arrivals.append(time.monotonic())
            self.n_at_once += 1
            self.most_at_once = max(self.most_at_once, self.n_at_once)
            number = len(self.bodies)
            scripted = self.script.popleft() if self.script else None
        reply = scripted or self.respond(body)
        if number > self.n_free:
            self.gate.wait()
        if reply.is_silent:
            self.closing.wait()
        with self.lock:
            self.n_at_once -= 1
        return reply

    def handle_error(self, request, client_address):
        """Clients that are killed break their pipes; that is what the tests are about."""

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.gate.set()
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = self.server.take(body, {name.lower(): value for name, value in self.headers.items()})
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if reply.is_cut else data)

    def log_message(self, *_):
        pass
