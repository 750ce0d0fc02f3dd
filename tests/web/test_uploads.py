"""The folder of uploads: what Gradio forgets there goes, at once where that can be seen, else by its age."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from inform_demo.config import ServeConfig
from inform_demo.ui import layout
from inform_demo.ui.batch_jobs import UPLOAD_FOLDER, name_upload_folder
from inform_demo.ui.texts import CHINESE, ENGLISH
from inform_demo.web import bodies
from inform_demo.web.uploads import claim_folder, held_bytes, keep_swept, serve_upload, sweep, sweep_left

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
    apart = [make(tmp_path / name_upload_folder("ann") / "pairs.csv", age) for age in (2 * HOUR_S, 0)]
    assert sweep(tmp_path, HOUR_S) == 2
    assert [path.parent.exists() for path in apart] == [False, True]


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


def upload(url, address="192.0.2.1"):
    files, headers = {"files": ("pairs.csv", b"prompt,response_a,response_b\np,a,b\n")}, {"X-Forwarded-For": address}
    answer = httpx.post(f"{url}gradio_api/upload", files=files, headers=headers, timeout=60)
    return Path(answer.raise_for_status().json()[0])


def open_file(url, path, key="", language="en"):
    """What the page asks once a file is uploaded, and all that it is told."""
    events = httpx.get(f"{url}config").json()["dependencies"]
    (read,) = [event["id"] for event in events if any(name == "upload" for _, name in event["targets"])]
    file = {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}
    body = {"data": [file, key], "fn_index": read, "session_hash": "s"}
    answer = httpx.post(f"{url}gradio_api/run/predict", json=body, headers={"Accept-Language": language}, timeout=60)
    return answer.raise_for_status().json()["data"]


def test_two_visitors_with_equal_files_each_have_their_own(serve, folder):
    url = serve()
    first, second = upload(url), upload(url)
    assert first != second
    assert first.name == second.name == "pairs.csv"
    told = [open_file(url, path) for path in (first, second)]
    assert all("1 rows, columns prompt" in json.dumps(each) for each in told)
    # The one that is read is gone, and nothing else is: what was opened before it stays.
    key = next(value for value in told[0] if isinstance(value, str) and len(value) == 22)
    for language, t in (("en", ENGLISH), ("zh-CN", CHINESE)):
        (words,) = [value for value in open_file(url, first, key, language) if isinstance(value, str) and "<p" in value]
        assert f"{t.batch.gone} {t.batch.file_kept}" in words
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_whose_a_file_is_goes_by_who_uploaded_it(serve, folder):
    url = serve(config=ServeConfig(trusted_proxies="127.0.0.1"))
    told = [json.dumps(open_file(url, upload(url, "192.0.2.1"))) for _ in range(5)]
    share = ENGLISH.batch.full_of_one.format(count=4)
    assert [share in each for each in told] == [False] * 4 + [True]
    assert share not in json.dumps(open_file(url, upload(url, "192.0.2.2")))


def test_the_answer_is_as_long_as_it_says_and_a_file_sent_twice_is_one(serve, folder):
    files = [("files", ("pairs.csv", b"a,b\n")), ("files", ("pairs.csv", b"a,b\n")), ("files", ("x.csv", b"a,b\n"))]
    answer = httpx.post(f"{serve()}gradio_api/upload", files=files)
    assert int(answer.headers["content-length"]) == len(answer.content)
    first, again, other = map(Path, answer.json())
    assert first == again
    assert (first.read_bytes(), other.read_bytes()) == (b"a,b\n",) * 2
    for path in (first, other):
        assert UPLOAD_FOLDER.fullmatch(path.parent.name)
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {path for path in folder.rglob("*") if path.is_file()} == {first, other}


def test_equal_files_that_come_in_one_moment_are_each_ones_own(tmp_path):
    """As Gradio does it, with all the time between its steps that a busy server may take."""
    shared = tmp_path / HASH / "pairs.csv"

    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(0.01)
        shared.parent.mkdir(exist_ok=True)
        shared.write_bytes(b"a,b\n")
        await asyncio.sleep(0.01)
        body = json.dumps([str(shared)]).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def one(i):
        parts, sent = [{"more_body": True, "body": b"x"}] * (i % 3) + [{"body": b""}], []

        async def receive():
            await asyncio.sleep(0.001)
            return {"type": "http.request", **parts.pop(0)}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "client": ("192.0.2.1", 1), "headers": []}
        await serve_upload(app, scope, receive, send)
        return Path(json.loads(b"".join(message.get("body", b"") for message in sent))[0])

    async def together():
        return await asyncio.gather(*map(one, range(8)))

    paths = asyncio.run(together())
    assert len(set(paths)) == 8
    assert {path.read_bytes() for path in paths} == {b"a,b\n"}
    assert not shared.parent.exists()


def test_uploads_come_to_a_folder_of_this_process_alone_unless_one_is_named(serve, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    path = upload(serve())
    own = Path(os.environ["GRADIO_TEMP_DIR"])
    assert own.parent == Path(tempfile.gettempdir()).resolve()
    assert path.is_relative_to(own)
    assert own.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    claim_folder()
    assert os.environ["GRADIO_TEMP_DIR"] not in {"", str(own)}
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/named")
    claim_folder()
    assert os.environ["GRADIO_TEMP_DIR"] == "/named"


def claim_elsewhere(tmp_path):
    """A process that has claimed its folder and lives until its input ends, and the folder."""
    code = (
        "import os, sys; from inform_demo.web.uploads import claim_folder; claim_folder();"
        "print(os.environ['GRADIO_TEMP_DIR'], flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "GRADIO_TEMP_DIR": ""}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    folder = Path(process.stdout.readline().strip())
    make(folder / HASH / "pairs.csv", 0)
    return process, folder


def test_the_folder_goes_with_its_process_or_is_swept_by_the_next(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (ends, ended), (killed, left) = claim_elsewhere(tmp_path), claim_elsewhere(tmp_path)
    ends.communicate()
    assert not ended.exists()
    assert sweep_left(-1) == 0  # it is held
    assert left.exists()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert sweep_left(HOUR_S) == 0  # one as young may be another's that does not hold it yet
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert sweep_left(-1) == 0
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("inform-demo-uploads", "inform-demo-uploads-of-mine", "inform-demo-uploads-abcd_12"):
        (tmp_path / name).mkdir()
    (tmp_path / "inform-demo-uploads-abcd_123").symlink_to(tmp_path / "inform-demo-uploads")
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(keep_swept(tmp_path / "named", HOUR_S, -1), 2))
    assert not left.exists()
    assert len(list(tmp_path.iterdir())) == 4
