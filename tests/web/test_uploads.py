"""The folder of uploads: what Gradio forgets there goes, at once where that can be seen, else by its age."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from inform_demo.config import ServeConfig
from inform_demo.ui import layout
from inform_demo.web import bodies
from inform_demo.web.uploads import claim_folder, held_bytes, sweep

HOUR_S = 3600.0
HASH = "0123456789abcdef" * 4


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty folder of uploads, for a page served after this."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return tmp_path / "uploads"


def make(path, age_s, data=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    for each in (path, path.parent):
        os.utime(each, (time.time() - age_s,) * 2)
    return path


def wait_for(is_so):
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def begin_upload(url, length, body):
    """A connection on which an upload has begun."""
    host, port = url.removeprefix("http://").strip("/").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    head = (
        f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {length}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


PART = b'--b\r\nContent-Disposition: form-data; name="files"; filename="pairs.csv"\r\n\r\n' + b"x" * 100_000


def test_what_is_old_goes_and_what_is_younger_or_not_an_upload_stays(tmp_path):
    begun, forgotten = make(tmp_path / "tmpabcd_123", 2 * HOUR_S), make(tmp_path / HASH / "pairs.csv", 2 * HOUR_S)
    empty = tmp_path / HASH.replace("0", "f")
    empty.mkdir()
    os.utime(empty, (time.time() - 2 * HOUR_S,) * 2)
    young = [
        make(tmp_path / "tmpabcd_124", HOUR_S - 60),
        make(tmp_path / HASH.replace("0", "e") / "pairs", HOUR_S - 60),
        tmp_path / HASH.replace("0", "d"),
    ]
    young[-1].mkdir()
    others = [
        make(tmp_path / name, 2 * HOUR_S)
        for name in (
            "notes.csv",
            "tmp",
            "tmpabcd_1234",
            f"{HASH}0/pairs.csv",
            f"x/{HASH}/pairs.csv",
            "photos/tmpabcd_123",
        )
    ]
    outside = make(tmp_path.parent / "outside" / "kept.csv", 2 * HOUR_S)
    link = tmp_path / HASH.replace("0", "c")
    link.symlink_to(outside.parent)
    assert sweep(tmp_path, HOUR_S) == 4
    assert not any(path.exists() for path in (begun, forgotten, forgotten.parent, empty))
    assert all(path.exists() for path in (*young, *others, outside, link))
    assert sweep(tmp_path / "nothing", HOUR_S) == 0


def test_a_folder_in_which_one_file_is_still_young_stays(tmp_path):
    young = make(tmp_path / HASH / "young.csv", 0)
    old = make(tmp_path / HASH / "old.csv", 2 * HOUR_S)
    sweep(tmp_path, HOUR_S)
    assert young.exists()
    assert not old.exists()


@pytest.mark.parametrize("mcp", [False, True])
def test_what_a_killed_server_left_is_swept_when_it_starts_again(serve, folder, mcp):
    left = [make(folder / "tmpabcd_123", 2 * HOUR_S), make(folder / HASH / "pairs.csv", 2 * HOUR_S)]
    kept = make(folder / "tmpabcd_124", 60)
    serve(config=ServeConfig(mcp=mcp))
    wait_for(lambda: not any(file.exists() for file in left))
    assert kept.exists()


def test_a_file_in_a_field_that_nobody_reads_is_swept_by_its_age(serve, folder, monkeypatch):
    monkeypatch.setattr(layout, "_DELETE_UPLOADS_S", (0.2, 1))
    url = serve()
    assert httpx.post(f"{url}gradio_api/upload", files={"other": ("pairs.csv", b"a,b\n")}).json() == []
    assert held_bytes(folder) > 0
    wait_for(lambda: held_bytes(folder) == 0)


def test_an_upload_that_stalls_or_breaks_off_leaves_nothing_at_once(serve, folder, monkeypatch):
    monkeypatch.setattr(bodies, "PAUSE_S", 1.0)
    url = serve()
    with begin_upload(url, 10**6, PART) as stalled:
        wait_for(lambda: held_bytes(folder) > 0)
        assert stalled.recv(65536).startswith(b"HTTP/1.1 408")
        wait_for(lambda: held_bytes(folder) == 0)
    monkeypatch.undo()
    with begin_upload(url, 10**6, PART):
        wait_for(lambda: held_bytes(folder) > 0)
    wait_for(lambda: held_bytes(folder) == 0)
    taken = httpx.post(f"{url}gradio_api/upload", files={"files": ("pairs.csv", b"a,b\n")})
    assert [Path(path).name for path in json.loads(taken.content)] == ["pairs.csv"]


def test_uploads_come_to_a_folder_of_their_own_unless_one_is_named(serve, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    url = serve()
    (path,) = httpx.post(f"{url}gradio_api/upload", files={"files": ("pairs.csv", b"a,b\n")}).json()
    own = Path(tempfile.gettempdir()).resolve() / "inform-demo-uploads"
    assert Path(path).is_relative_to(own)
    Path(path).unlink()
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/named")
    claim_folder()
    assert os.environ["GRADIO_TEMP_DIR"] == "/named"
