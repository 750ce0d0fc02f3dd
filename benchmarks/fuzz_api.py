"""Whatever the API's description allows, and what it forbids, to a running server: answers, never a crash or a hang.

    pip install 'schemathesis>=4.32,<5'
    python benchmarks/fuzz_api.py [--requests 5000]

The embedded model behind the gate, in this process. Half of the requests go to the four functions and uploads as Gradio
describes them to programs, half to every route that its server has, those that the gate closes included. What an
accepted call comes to is fetched. A finding is a status of 500 or more that does not say when to come back, an answer
that takes too long or breaks off, or a fault that nobody foresaw; each is printed as a command for curl. Runs of
1,000 and more are written to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from common import Report, command_line
from hypothesis import HealthCheck, Verbosity, given, settings
from hypothesis.errors import Unsatisfiable

from inform_demo import load_scorer
from inform_demo.config import ServeConfig
from inform_demo.errors import MissingDependencyError
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from inform_demo.ui.texts import ENGLISH

try:
    import requests  # which comes with it
    import schemathesis
except ImportError:
    sys.exit(str(MissingDependencyError("schemathesis", "Fuzzing the API", "pip install 'schemathesis>=4.32,<5'")))

# An answer may take this long, scoring included.
MOST_S = 20.0

# Streams that last as long as the page is open: of these only the beginning is read.
ENDLESS = ("/gradio_api/heartbeat", "/gradio_api/queue/data", "/gradio_api/upload_progress")


class Fuzzer:
    """Sends cases, and keeps what came of them.

    Args:
        url: of the server.
        in_browser: numbers of the functions that only the browser runs. Gradio answers 500 where one is asked for here.
    """

    def __init__(self, url: str, in_browser: set[int]) -> None:
        self._url = url.rstrip("/")
        self._in_browser = in_browser
        self._session = requests.Session()
        self.statuses: Counter[int] = Counter()
        self.n_fetched = 0
        self.findings: dict[tuple[str, str], str] = {}  # the first of each kind, as a command

    def send(self, case: Any) -> None:
        """One case, and what an accepted call comes to."""
        try:
            self._send(case)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, UnicodeError):
            pass  # no client can send it
        except requests.exceptions.ReadTimeout:
            self._find(case, "no answer in time")
        except requests.exceptions.RequestException as error:
            self._find(case, f"broke off: {type(error).__name__}")

    def _send(self, case: Any) -> None:
        began, path = time.monotonic(), case.operation.path
        request = {"timeout": MOST_S, "stream": True, "allow_redirects": False}
        with self._session.request(**(case.as_transport_kwargs(base_url=self._url) | request)) as response:
            self.statuses[response.status_code] += 1
            if response.status_code >= 500 and not self._is_known(case, response):
                self._find(case, f"status {response.status_code}")
            if path.startswith(ENDLESS):
                return
            text = response.text
        if response.ok and case.method == "POST" and "/call/" in path:
            self._fetch(case, json.loads(text)["event_id"])
        if time.monotonic() - began > MOST_S:
            self._find(case, "no answer in time")

    def _is_known(self, case: Any, response: Any) -> bool:
        """Whether it says when to come back, or that a function is the browser's."""
        if response.status_code == 503:
            return "Retry-After" in response.headers
        number = case.body.get("fn_index") if isinstance(case.body, dict) else None
        is_browsers = isinstance(number, int) and number in self._in_browser
        return is_browsers and case.operation.path.startswith("/gradio_api/run/")

    def _fetch(self, case: Any, event_id: str) -> None:
        """The answer of the model, or a fault in words."""
        path = case.formatted_path.replace("/call/v2/", "/call/").rstrip("/")
        told = self._session.get(f"{self._url}{path}/{event_id}", timeout=MOST_S).text
        self.n_fetched += 1
        if "event: complete" not in told and "event: error" not in told:
            self._find(case, "no end of the event")
        if ENGLISH.page.unexpected in told:
            self._find(case, "an unforeseen fault")

    def _find(self, case: Any, what: str) -> None:
        self.findings.setdefault((case.operation.label, what), case.as_curl_command())


def operations_of(description: dict[str, Any]) -> list[Any]:
    """Every operation of a description.

    Gradio's leaves out that arguments are required. They are marked so here, or few requests would reach the model.
    """
    for route in description["paths"].values():
        body = route.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        if "properties" in body.get("schema", {}):
            body["schema"]["required"] = list(body["schema"]["properties"])
    found: Iterator[Any] = schemathesis.openapi.from_dict(description).get_all_operations()
    return [result.ok() for result in found]


def run_half(fuzzer: Fuzzer, operations: list[Any], n_requests: int) -> None:
    """As many requests as were asked for; an operation that has nothing to vary gives its turns to the others."""
    began = sum(fuzzer.statuses.values())
    while (n_left := n_requests - (sum(fuzzer.statuses.values()) - began)) > 0:
        for operation in operations:
            for mode in schemathesis.GenerationMode:
                run_operation(fuzzer, operation, mode, max(1, n_left // (2 * len(operations))))


def run_operation(fuzzer: Fuzzer, operation: Any, mode: Any, n: int) -> None:
    """Cases that fit the description of an operation, or such that do not."""

    @settings(
        max_examples=n, deadline=None, database=None, verbosity=Verbosity.quiet, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        fuzzer.send(case)

    with contextlib.suppress(Unsatisfiable):  # there may be nothing that would not fit
        run()


def describe(fuzzer: Fuzzer, took_s: float) -> Iterator[str]:
    """What came of it, in lines."""
    statuses = ", ".join(f"{n:,} x {status}" for status, n in sorted(fuzzer.statuses.items()))
    n_sent = sum(fuzzer.statuses.values())
    yield f"- {n_sent:,} requests and {fuzzer.n_fetched:,} answers fetched in {took_s:.0f} s: {statuses}"
    for (label, what), command in fuzzer.findings.items():
        yield f"- {label}: {what}\n    {command[:1000]}"
    yield f"- {len(fuzzer.findings)} findings"


def main() -> None:
    """Run both halves; exit code 1 where there is a finding, or the server no longer answers as it did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    n_requests = parser.parse_args().requests
    n_half = max(1, n_requests // 2)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # where uploads go
        scorer = load_scorer()
        demo = build_demo(ScorerSlot(lambda: scorer), ServeConfig(rate_limit=0))
        url = launch(demo, ServeConfig(rate_limit=0), prevent_thread_lock=True, quiet=True)
        in_browser = {number for number, function in demo.fns.items() if function.fn is None}
        fuzzer, began = Fuzzer(url, in_browser), time.monotonic()
        public = requests.get(f"{url}gradio_api/openapi.json", timeout=MOST_S).json()
        for description in (public, demo.app.openapi()):
            run_half(fuzzer, operations_of(description), n_half)
        is_ready = requests.get(f"{url}readyz", timeout=MOST_S).ok
        demo.close(verbose=False)
    report = Report("fuzz api", "Fuzzing: requests to the API of a running server", is_trial=n_requests < 1000)
    report.add(command_line(), "", *describe(fuzzer, time.monotonic() - began))
    report.add("- the server is still ready" if is_ready else "- the server is no longer ready")
    sys.exit(bool(fuzzer.findings) or not is_ready)


if __name__ == "__main__":
    main()
