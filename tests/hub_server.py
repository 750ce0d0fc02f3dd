"""A model hub in small on this machine: the routes that the hub's own client asks for, and the ways one fails."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves one folder as the repository `owner/model`.

    Attributes:
        url: what HF_ENDPOINT has to be.
        dies_in: a file's name; in the middle of it the connection breaks off, and the hub is out of order from then on.
        served: names of the files that went out whole, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dies_in: str | None = None
        self.is_dead = False
        self.served: list[str] = []
        self.in_the_middle = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def revive(self) -> None:
        self.dies_in, self.is_dead = None, False


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        if self.hub.is_dead:
            self._send(501, b"out of order")
        elif path.startswith("/api/models/owner/model/tree/"):
            self._send_json([self._describe(file) for file in sorted(self.hub.folder.iterdir())])
        elif path.startswith("/api/models/owner/model/revision/") or path == "/api/models/owner/model":
            siblings = [{"rfilename": file.name} for file in sorted(self.hub.folder.iterdir())]
            self._send_json({"id": "owner/model", "sha": COMMIT, "private": False, "siblings": siblings})
        elif path.startswith("/owner/model/resolve/") and (self.hub.folder / Path(path).name).is_file():
            self._send_file(self.hub.folder / Path(path).name, with_body)
        else:
            self.send_response(404)
            code = "EntryNotFound" if path.startswith("/owner/model/") else "RepoNotFound"
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _describe(self, file: Path) -> dict[str, object]:
        return {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": _etag(file)}

    def _send_file(self, file: Path, with_body: bool) -> None:
        body = file.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{_etag(file)}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not with_body:
            return
        if file.name == self.hub.dies_in:
            self.wfile.write(body[: len(body) // 2])
            self.hub.is_dead = True
            self.close_connection = True
            return
        if file.suffix == ".safetensors" and not self.hub.go_on.is_set():
            self.wfile.write(body[: len(body) // 2])
            self.hub.in_the_middle.set()
            self.hub.go_on.wait(30)
            body = body[len(body) // 2 :]
        self.wfile.write(body)
        self.hub.served.append(file.name)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _send_json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _etag(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()
