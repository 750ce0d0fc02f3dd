"""Wait for the page on a port, read it, and ask it to compare the oranges: `ask.py PORT SECONDS`."""

from __future__ import annotations

import json
import sys
import time

import httpx
from gradio_client import Client

from inform_demo.types import Comparison
from inform_demo.ui.examples import ORANGES


def main(port: int, patience_s: float) -> None:
    """Fail with a traceback if no page is up in time or its answer is no comparison."""
    url = f"http://127.0.0.1:{port}/"
    began = time.monotonic()
    while True:
        try:
            page = httpx.get(url, timeout=5)
            break
        except httpx.TransportError:
            if time.monotonic() - began > patience_s:
                raise
            time.sleep(0.5)
    page.raise_for_status()
    up_s = time.monotonic() - began
    client = Client(url, verbose=False)
    answer = client.predict(ORANGES.prompt, ORANGES.response_a, ORANGES.response_b, "", api_name="/compare")
    assert list(answer) == list(Comparison.__dataclass_fields__), answer
    print(
        f"page up after {up_s:.1f} s, first verdict {time.monotonic() - began - up_s:.1f} s later: {json.dumps(answer)}"
    )


main(int(sys.argv[1]), float(sys.argv[2]))
