"""The page: header and tabs, and the model behind it. How it is served is `web.serving`'s.

Knows gradio's components and events; knows nothing of rewards or markup, which `handlers` and `view` make.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from inform_demo.config import HUGGING_FACE, ModelConfig, ServeConfig
from inform_demo.progress import ProgressTracker
from inform_demo.slot import ScorerSlot
from inform_demo.types import Scorer
from inform_demo.ui import handlers, status_view, view
from inform_demo.ui.about_tab import build_about_tab
from inform_demo.ui.batch_tab import build_batch_tab
from inform_demo.ui.compare_tab import build_compare_tab
from inform_demo.ui.events import ASIDE, I18N, Static, live_region, texts_of
from inform_demo.ui.rank_tab import build_rank_tab
from inform_demo.ui.texts import ENGLISH
from inform_demo.verification import load_verified_scorer
from inform_demo.web.logs import configure_logging
from inform_demo.web.metering import MeteredScorer
from inform_demo.web.serving import launch
from inform_demo.web.stopping import Stopping
from inform_demo.web.uploads import claim_folder
from inform_demo.web.zero import build_gpu_call

__all__ = ["build_demo", "launch", "serve"]

# How often files of visitors are looked for that nobody has taken, and how old they may get: by Gradio, and by us.
_DELETE_UPLOADS_S = (600, 3600)

_POLL_S = 1.0


def _build_header(demo: gr.Blocks, slot: ScorerSlot, model: str) -> list[Static]:
    """Title and the state of the model, asked for until it is ready; a retry where loading failed."""
    status_now = handlers.model_status(slot, model)
    with gr.Row(elem_id="header"):
        title = gr.HTML(view.render_title(ENGLISH), elem_id="title", apply_default_css=False)
        with gr.Column(elem_id="model", min_width=340):
            status = gr.HTML(
                status_view.render_status(ENGLISH, status_now), elem_id="model-status", apply_default_css=False
            )
            announcement = gr.HTML(
                status_view.render_announcement(ENGLISH, status_now),
                elem_id="model-announcement",
                apply_default_css=False,
                js_on_load=live_region("page_status_label"),
            )
            retry = gr.Button(I18N("page_retry"), size="sm", visible=False, elem_id="retry")
    poll = gr.Timer(_POLL_S)

    def refresh(announced: str, request: gr.Request) -> tuple[Any, ...]:
        t, now = texts_of(request), handlers.model_status(slot, model)
        announcement = status_view.render_announcement(t, now)
        return (
            status_view.render_status(t, now),
            gr.skip() if announcement == announced else announcement,
            gr.Timer(active=now.state != "ready"),
            gr.Button(visible=now.state == "failed"),
        )

    def load_again(announced: str, request: gr.Request) -> tuple[Any, ...]:
        slot.retry()
        return refresh(announced, request)

    outputs = [status, announcement, poll, retry]
    gr.on([demo.load, poll.tick], refresh, announcement, outputs, **ASIDE)
    retry.click(load_again, announcement, outputs, **ASIDE)
    return [(title, view.render_title)]


def build_demo(slot: ScorerSlot, config: ServeConfig, model: str = ENGLISH.page.model) -> gr.Blocks:
    """The page over a slot, with its queue; ready for `launch`.

    Args:
        slot: where the scorer is or will be.
        config: queue length and tie band.
        model: the model's name while there is no report of it.
    """
    claim_folder()
    demo: gr.Blocks = gr.Blocks(title=ENGLISH.page.title, analytics_enabled=False, delete_cache=_DELETE_UPLOADS_S)
    demo.slot = slot  # type: ignore[attr-defined] # `launch` asks it whether the model is there
    with demo:
        if config.auth == HUGGING_FACE:
            gr.LoginButton(elem_id="sign-in")
        statics = _build_header(demo, slot, model)
        with gr.Tabs():
            for name, build_tab in (
                ("compare", build_compare_tab),
                ("rank", build_rank_tab),
                ("batch", build_batch_tab),
                ("about", build_about_tab),
            ):
                with gr.Tab(I18N(f"page_tab_{name}"), id=name, elem_id=f"tab-{name}"):
                    statics += build_tab(demo, slot, config)
        privacy = gr.HTML(view.render_privacy(ENGLISH), elem_id="privacy", apply_default_css=False)
        statics.append((privacy, view.render_privacy))

        def translate(request: gr.Request) -> Any:
            t = texts_of(request)
            return [render(t) for _, render in statics]

        demo.load(translate, None, [component for component, _ in statics], show_progress_on=privacy, **ASIDE)
    demo.queue(api_open=False, max_size=config.max_queue, default_concurrency_limit=1)
    return demo


def serve(model_config: ModelConfig, config: ServeConfig) -> None:
    """Put the page up, load the model behind it, and serve until SIGTERM or Ctrl+C."""
    configure_logging(config.log_format)
    loaded: list[Scorer] = []
    call = build_gpu_call(lambda: loaded[-1])
    tracker = ProgressTracker()

    def load() -> Scorer:
        loaded.append(load_verified_scorer(model_config, config.tie_band, tracker))
        return MeteredScorer(loaded[-1], call)

    name = ENGLISH.page.embedded_name if model_config.is_embedded else Path(model_config.source).name
    demo = build_demo(ScorerSlot(load, tracker.now), config, name)
    launch(demo, config, Stopping(config.shutdown_s), quiet=config.log_format == "json")
