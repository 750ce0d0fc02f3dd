"""Who may ask, how often, and from where."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import time
import types

import httpx
import pytest
from gradio_client import Client
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from inform_demo.config import ServeConfig
from inform_demo.errors import ConfigError
from inform_demo.slot import SlotStatus
from inform_demo.ui.texts import CHINESE
from inform_demo.web import limits, zero
from inform_demo.web.access import check_sign_in, password_check, proxies_of, signed_in_user, visitor_of
from inform_demo.web.door import Door
from inform_demo.web.gate import Gate
from inform_demo.web.limits import Buckets
from inform_demo.web.stopping import Stopping
from tests.doubles import FakeScorer
from tests.web.conftest import ROOT, answer, ask


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 120), st.integers(1, 10))
def test_no_visitor_gets_more_than_the_burst_and_the_rate(pauses, per_minute, burst):
    now = [0.0]
    buckets = Buckets(per_minute, burst, lambda: now[0])
    granted = []
    for pause in pauses:
        now[0] += pause
        wait_s = buckets.take("a")
        if not wait_s:
            granted.append(now[0])
        else:
            assert 0 < wait_s <= 60 / per_minute + 1e-6
    for i, first in enumerate(granted):
        for j in range(i, len(granted)):
            assert j - i + 1 <= burst + (granted[j] - first) * per_minute / 60 + 1e-6


def test_whoever_waits_as_long_as_was_said_is_served_and_others_are_not_held_up():
    now = [0.0]
    buckets = Buckets(6, 1, lambda: now[0])
    assert buckets.take("a") == 0
    wait_s = buckets.take("a")
    assert wait_s == pytest.approx(10)
    assert buckets.take("b") == 0
    now[0] += wait_s + 1e-9
    assert buckets.take("a") == 0


def test_the_visitors_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "_MOST_VISITORS", 100)
    buckets = Buckets(6, 1)
    for i in range(1000):
        buckets.take(str(i))
    assert len(buckets._buckets) == 100


@pytest.mark.parametrize(
    ("user", "password", "right"),
    [("ann", "s:é", True), ("ann", "s:e", False), ("bob", "s:é", False), ("", "", False), ("ann", "", False)],
)
def test_a_password_is_right_only_as_a_whole(user, password, right):
    assert password_check("ann:s:é")(user, password) is right


def test_no_password_is_asked_for_without_one():
    assert password_check("") is None
    assert password_check("huggingface") is None


def scope_of(host, **more):
    return {"type": "http", "client": (host, 1), **more}


@pytest.mark.parametrize(
    ("host", "visitor"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("testclient", "testclient"),
    ],
)
def test_a_visitor_is_an_address_or_the_network_of_one_line(host, visitor):
    assert visitor_of(scope_of(host)) == visitor


def session(expires_at):
    return {"oauth_info": {"expires_at": expires_at, "userinfo": {"preferred_username": "ann"}}}


def test_who_is_signed_in_is_one_visitor_anywhere_until_that_ends():
    now = time.time()
    assert visitor_of(scope_of("198.51.100.7", session=session(now + 60))) == "user ann"
    assert signed_in_user(scope_of("198.51.100.7", session=session(now - 60))) is None
    assert signed_in_user(scope_of("198.51.100.7", session={})) is None


def test_signing_in_there_is_refused_anywhere_but_on_a_space(monkeypatch):
    config = ServeConfig(auth="huggingface")
    monkeypatch.delenv("SPACE_ID", raising=False)
    with pytest.raises(ConfigError, match="only a Space with hf_oauth: true"):
        check_sign_in(config)
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    monkeypatch.delenv("OAUTH_CLIENT_ID", raising=False)
    with pytest.raises(ConfigError, match="only a Space with hf_oauth: true"):
        check_sign_in(config)
    check_sign_in(ServeConfig(auth="ann:secret"))


def test_nobody_is_believed_but_a_spaces_own_proxy_or_who_was_named(monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert proxies_of(ServeConfig()) == ""
    assert proxies_of(ServeConfig(trusted_proxies="192.0.2.1")) == "192.0.2.1"
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    assert "10.0.0.0/8" in proxies_of(ServeConfig())
    assert proxies_of(ServeConfig(trusted_proxies="192.0.2.1")) == "192.0.2.1"


def gate_door(config, n_waiting=0, n_held=0):
    return Door(
        config,
        status=lambda: SlotStatus("ready", None, 1.0),
        queue_length=lambda: n_waiting,
        held_by=lambda visitor: n_held,
        wait_s=lambda: 12.3,
        uploads=lambda: ROOT / "no such folder",
        stopping=Stopping(),
    )


def gate(config, n_waiting=0, session=None, n_held=0):
    """The gate before an app that answers everything with the body it got."""

    async def echo(request):
        return PlainTextResponse(await request.body())

    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    guarded = Gate(app, gate_door(config, n_waiting, n_held))

    async def with_session(scope, receive, send):
        await guarded({**scope, "session": session or {}}, receive, send)

    return TestClient(with_session)


def test_a_body_arrives_as_it_was_sent():
    body = json.dumps({"data": ["é\u2028", {"a": [1]}]}).encode()
    assert gate(ServeConfig()).post("/gradio_api/call/compare", content=body).content == body


def test_signing_in_comes_before_scoring_and_not_before_looking():
    config = ServeConfig(auth="huggingface")
    stranger = gate(config)
    for path in ("queue/join", "call/compare", "upload"):
        refused = stranger.post(f"/gradio_api/{path}", content=b"{}")
        assert refused.status_code == 401
        assert "Sign in with Hugging Face first" in refused.json()["detail"]
    assert stranger.get("/").status_code == 200
    assert gate(config, session=session(time.time() + 60)).post("/gradio_api/call/compare").status_code == 200


def test_a_full_queue_says_when_to_come_back_in_the_visitors_language():
    client = gate(ServeConfig(max_queue=3), n_waiting=3)
    full = client.post("/gradio_api/queue/join", headers={"Accept-Language": "zh-CN"})
    assert (full.status_code, full.headers["retry-after"]) == (503, "13")
    assert full.json()["detail"] == CHINESE.page.queue_full.format(count=3, seconds=13)
    assert client.post("/gradio_api/run/predict").status_code == 200


def test_a_public_page_limits_each_visitor_by_default_and_a_private_one_does_not():
    public, private = gate(ServeConfig(host="0.0.0.0")), gate(ServeConfig())
    statuses = [public.post("/gradio_api/call/compare").status_code for _ in range(30)]
    assert 200 in statuses
    refused = public.post("/gradio_api/call/compare")
    assert refused.status_code == 429
    assert "Come back in 1 s. Your text is kept." in refused.json()["detail"]
    assert all(private.post("/gradio_api/call/compare").status_code == 200 for _ in range(100))
    unlimited = gate(ServeConfig(host="0.0.0.0", rate_limit=0))
    assert all(unlimited.post("/gradio_api/call/compare").status_code == 200 for _ in range(100))


def test_passwords_cannot_be_guessed_quickly():
    client = gate(ServeConfig(auth="ann:secret"))
    statuses = [client.post("/login", content=b"username=ann&password=x").status_code for _ in range(40)]
    assert statuses.count(429) >= 25


def test_one_visitor_holds_a_quarter_of_the_queue_and_leaves_the_rest_to_others(serve):
    scorer = FakeScorer(delay_s=60)
    url = serve(scorer, ServeConfig(rate_limit=600, max_queue=8, trusted_proxies="127.0.0.1"))

    def come(address, language="en"):
        return ask(url, headers={"X-Forwarded-For": address, "Accept-Language": language})

    running = come("198.51.100.1")
    assert scorer.started.wait(10)
    waiting = [come("198.51.100.1") for _ in range(2)]
    refused = come("198.51.100.1", "zh-CN")
    wait_s = int(refused.headers["retry-after"])
    assert refused.status_code == 429
    assert refused.json()["detail"] == CHINESE.compare.places_held.format(count=2, seconds=wait_s)
    others = [come("198.51.100.2") for _ in range(3)]
    assert [each.status_code for each in (running, *waiting, *others)] == [200] * 5 + [429]
    scorer.released.set()
    assert all("complete" in answer(url, each) for each in (running, *waiting, *others[:2]))
    assert come("198.51.100.1").status_code == 200


def test_who_has_many_requests_on_their_way_holds_places_with_them_and_where_nobody_is_limited_nobody_is():
    assert gate(ServeConfig(host="0.0.0.0", max_queue=8), n_held=1).post("/gradio_api/queue/join").status_code == 200
    assert gate(ServeConfig(host="0.0.0.0", max_queue=8), n_held=2).post("/gradio_api/queue/join").status_code == 429
    assert gate(ServeConfig(max_queue=8), n_held=7).post("/gradio_api/queue/join").status_code == 200
    guarded = Gate(None, gate_door(ServeConfig(host="0.0.0.0", max_queue=8)))
    scope = scope_of("198.51.100.7", method="POST", path="/gradio_api/queue/join", headers=[])

    async def crowd():
        async def slow():
            await asyncio.sleep(60)

        sent = []

        async def send(message):
            sent.append(message.get("status"))

        stalled = [asyncio.create_task(guarded({**scope}, slow, send)) for _ in range(2)]
        await asyncio.sleep(0)
        await guarded({**scope}, slow, send)
        for task in stalled:
            task.cancel()
        await asyncio.gather(*stalled, return_exceptions=True)
        assert (guarded._joining.total, guarded._open.total, guarded._read_bytes.total) == (0, 0, 0)
        return sent

    assert asyncio.run(crowd())[0] == 429


PAIRS = [{"prompt": "p", "response_a": "a", "response_b": "b"}] * 50


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("call/batch", {"data": [PAIRS]}),
        ("call/v2/batch", {"pairs": PAIRS}),
        ("queue/join", {"data": [PAIRS], "fn_index": 7, "session_hash": "s"}),
        ("mcp/", {"method": "tools/call", "params": {"name": "batch", "arguments": {"pairs": PAIRS}}}),
    ],
)
def test_a_batch_costs_its_visitor_as_many_comparisons_as_it_has_pairs(path, body):
    client = gate(ServeConfig(mcp=True, host="0.0.0.0"))
    assert client.post(f"/gradio_api/{path}", json=body).status_code == 200
    refused = client.post("/gradio_api/call/compare", json={"data": ["p", "a", "b"]})
    assert refused.status_code == 429
    assert 35 <= int(refused.headers["retry-after"]) <= 41  # 50 at one a second, less a burst of 10


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"data": 7}', b'{"data": []}', b'{"pairs": "x"}', b'{"data": [[]]}']
)
def test_any_other_call_costs_one(body):
    client = gate(ServeConfig(host="0.0.0.0", rate_limit=2))
    statuses = [client.post("/gradio_api/call/compare", content=body).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_passwords_are_compared_in_constant_time_both_of_them_always(monkeypatch):
    compared = []

    def compare_digest(given, right):
        compared.append((given, right))
        return given == right

    monkeypatch.setattr("inform_demo.web.access.hmac.compare_digest", compare_digest)
    for tried, right in ((("bob", "x"), False), (("ann", "secret"), True)):
        compared.clear()
        assert password_check("ann:secret")(*tried) is right
        assert compared == [(tried[0].encode(), b"ann"), (tried[1].encode(), b"secret")]


def test_on_a_real_page_a_signed_cookie_and_nothing_else_opens_the_queue(serve, monkeypatch):
    itsdangerous = pytest.importorskip("itsdangerous", reason="part of gradio[oauth], which only a Space needs")
    pytest.importorskip("authlib", reason="part of gradio[oauth], which only a Space needs")
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    monkeypatch.setenv("OAUTH_CLIENT_ID", "demo")
    # Gradio has read the environment by now.
    monkeypatch.setattr("gradio.oauth.get_space", lambda: "someone/demo")
    for name in ("CLIENT_ID", "CLIENT_SECRET", "SCOPES"):
        monkeypatch.setattr(f"gradio.oauth.OAUTH_{name}", "of the space")
    monkeypatch.setattr("gradio.oauth.OPENID_PROVIDER_URL", "https://huggingface.invalid")
    url = serve(config=ServeConfig(auth="huggingface"))

    def cookie(secret):
        signer = itsdangerous.TimestampSigner(hashlib.sha256(f"{secret}-v4".encode()).hexdigest())
        value = signer.sign(base64.b64encode(json.dumps(session(time.time() + 60)).encode())).decode()
        return {"Cookie": f"session={value}"}

    assert ask(url).status_code == 401
    assert ask(url, headers=cookie("a guess")).status_code == 401
    signed_in = ask(url, headers=cookie("of the space"))
    assert signed_in.status_code == 200
    assert "complete" in answer(url, signed_in, headers=cookie("of the space"))


def test_a_forwarded_address_counts_only_from_a_proxy_that_was_named(serve):
    def statuses(url):
        return [ask(url, headers={"X-Forwarded-For": f"198.51.100.{i}"}).status_code for i in range(3)]

    assert statuses(serve(config=ServeConfig(rate_limit=1))) == [200, 429, 429]
    assert statuses(serve(config=ServeConfig(rate_limit=1, trusted_proxies="127.0.0.1"))) == [200, 200, 200]


def test_a_password_guards_page_and_api_and_opens_them(serve):
    url = serve(config=ServeConfig(auth="ann:secret"))
    assert ask(url).status_code == 401
    assert httpx.get(f"{url}config").status_code == 401
    assert "Answer A" not in httpx.get(url).text
    assert httpx.get(f"{url}healthz").status_code == 200
    wrong = httpx.post(f"{url}login", data={"username": "ann", "password": "Secret"})
    assert wrong.status_code == 400
    client = Client(url, auth=("ann", "secret"), verbose=False, analytics_enabled=False)
    assert client.predict("which?", "one two", "one", api_name="/compare")["n_tokens_a"] > 0
    client.close()


def test_a_limit_frees_up_and_loses_nothing(serve):
    scorer = FakeScorer()
    url = serve(scorer, ServeConfig(rate_limit=60, max_queue=2))
    first = ask(url, "p", "kept", "b")
    refused = ask(url, "p", "kept", "b")
    assert refused.status_code == 429
    time.sleep(int(refused.headers["retry-after"]) + 0.1)
    assert "complete" in answer(url, ask(url, "p", "kept", "b"))
    assert "complete" in answer(url, first)
    assert len(scorer.calls) == 2


def test_a_lent_card_is_asked_for_where_there_are_any_and_a_call_is_a_call_elsewhere(monkeypatch):
    scorer = FakeScorer()
    monkeypatch.setitem(sys.modules, "spaces", None)  # as where it is not installed
    plain = zero.build_gpu_call(lambda: scorer)
    expected = scorer.compare("p", "one two", "one")
    assert plain("compare", "p", "one two", "one") == expected
    lent = []

    def lend(duration):
        def decorate(call):
            def on_card(*args, **kwargs):
                lent.append(duration)
                return call(*args, **kwargs)

            return on_card

        return decorate

    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=lend))
    decorated = zero.build_gpu_call(lambda: scorer)
    assert lent == []
    assert decorated("compare", "p", "one two", "one") == expected
    assert lent == [zero.GPU_S]
