"""How a page is served: its looks, its address, the gate before it, and its end.

`Blocks.launch` serves it, not a mount of our own, because ZeroGPU hooks into just that. Knows gradio and the gate;
knows nothing of what is on the page.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from inform_demo import ui
from inform_demo.batch_files import MOST_BYTES
from inform_demo.config import ServeConfig
from inform_demo.errors import ConfigError
from inform_demo.slot import ScorerSlot
from inform_demo.ui.events import I18N
from inform_demo.ui.texts import LANGUAGES, flatten
from inform_demo.ui.theme import build_theme
from inform_demo.web import metrics
from inform_demo.web.access import check_sign_in, password_check, proxies_of
from inform_demo.web.door import Door, build_limits
from inform_demo.web.fetching import forbid_fetching
from inform_demo.web.fitting import refuse_unfit
from inform_demo.web.gate import Gate
from inform_demo.web.metering import QueueView, meter
from inform_demo.web.patience import harden
from inform_demo.web.routes import Kind
from inform_demo.web.stopping import Stopping
from inform_demo.web.uploads import keep_swept

_UI = Path(ui.__file__).parent
_HERE = Path(__file__).parent

# How often the folder of uploads is swept, and from which age on, where the page does not say it.
_SWEEP_S = (600, 3600)

# Pages that keep their last result on the server; whoever comes after that costs the one not used for longest its own.
MOST_SESSIONS = 500


def _head() -> str:
    # "<" is escaped so that no sentence can end the script.
    words = json.dumps({language: flatten(texts) for language, texts in LANGUAGES.items()}).replace("<", "\\u003c")
    files = (_HERE / "refusals.js", _UI / "page.js")
    scripts = (f"window.informWords = {words};", *(file.read_text(encoding="utf-8") for file in files))
    return "".join(f"<script>{script}</script>" for script in scripts)


def launch_options(config: ServeConfig) -> dict[str, Any]:
    """What `Blocks.launch` is given: looks, address, and everything that could leak or call home switched off."""
    return {
        "server_name": config.host,
        "server_port": config.port,
        "theme": build_theme(),
        "css": (_UI / "page.css").read_text(encoding="utf-8"),
        "head": _head(),
        "i18n": I18N,
        "auth": password_check(config.auth),
        "footer_links": ["api", "settings"],
        # Every call of the API is a session to Gradio, which keeps what it holds of it: half a megabyte.
        "state_session_capacity": MOST_SESSIONS,
        "run_history": False,  # it would keep every prompt in the visitor's browser without being asked
        "share": False,
        "show_error": False,
        "enable_monitoring": False,
        "allowed_paths": [],
        "max_file_size": MOST_BYTES,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": config.mcp,
        # Else Gradio asks its own page once, and where that takes more than three seconds ends the process. On a slow
        # machine that is loading a model it can take longer.
        "_frontend": False,
    }


def launch(demo: gr.Blocks, config: ServeConfig, stopping: Stopping | None = None, **options: Any) -> str:
    """Serve a page of `build_demo` behind its gate and return its address.

    Args:
        demo: the page; its `slot` says whether the model is there.
        config: address, access and limits; the rest is fixed in `launch_options`.
        stopping: whether new work is taken on; always, without it.
        options: further arguments of `Blocks.launch`, such as `prevent_thread_lock`.

    Raises:
        ConfigError: the sign-in that is asked for is not to be had here, or the address is not.
    """
    check_sign_in(config)
    forbid_fetching()
    refuse_unfit(demo)
    # Where uvicorn, which Gradio starts without a way to configure it, reads whom to believe.
    os.environ["FORWARDED_ALLOW_IPS"] = proxies_of(config)
    stopping = stopping or Stopping()
    slot: ScorerSlot = demo.slot  # type: ignore[attr-defined]
    view = QueueView(demo)
    meter(demo, view, stopping, config.log_texts)
    metrics.watch(view.length, lambda: slot.status().readiness == "ready")
    uploads = lambda: Path(demo.app.uploaded_file_dir)  # noqa: E731 - there is no app before the page is served
    ranking = next((number for number, fn in demo.fns.items() if fn.api_name == "show_ranking"), None)
    door = Door(config, slot.status, view.length, view.held_by, view.wait_s, uploads, stopping, ranking)

    @asynccontextmanager
    async def living(app: Any) -> AsyncIterator[None]:
        sweep = keep_swept(door.uploads(), *(demo.delete_cache or _SWEEP_S))
        tasks = [asyncio.create_task(work) for work in (sweep, view.take_leave(stopping))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    app_kwargs = {"middleware": [Middleware(Gate, door=door)], "lifespan": living}
    block = not options.pop("prevent_thread_lock", False)
    if block:
        stopping.listen()
    try:
        _, url, _ = demo.launch(**launch_options(config), app_kwargs=app_kwargs, prevent_thread_lock=True, **options)
    except OSError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ConfigError(
            f"The page could not be served: {reason}. Is another program there? Name another port by --port or "
            "INFORM_PORT, or another address by --host or INFORM_HOST."
        ) from error
    harden(demo.server, is_limited=Kind.SCORE in build_limits(config), proxies=proxies_of(config))
    if block:
        stopping.wait(view.is_busy, view.is_undelivered, lambda: demo.close(verbose=False))
    return str(url)
