"""The About tab: the card of the loaded model, asked for when the tab is opened, and what stands there always.

Knows gradio's components and events; knows nothing of models or markup, which `handlers` and `about_view` make.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui import about_view, handlers
from inform_demo.ui.events import ASIDE, Static, texts_of
from inform_demo.ui.texts import ENGLISH

_POLL_S = 2.0


def build_about_tab(demo: gr.Blocks, slot: ScorerSlot, config: ServeConfig) -> list[Static]:
    """Build the tab's parts where it is called, inside its `gr.Tab`, and connect them.

    Returns:
        The parts that are HTML of ours and change with the language only.
    """
    unknown = handlers.ModelStatus("loading", ENGLISH.page.model, 0.0)
    card = gr.HTML(about_view.render_model(ENGLISH, unknown), elem_id="about-model", apply_default_css=False)
    always = gr.HTML(about_view.render_about(ENGLISH), elem_id="about-text", apply_default_css=False)
    poll = gr.Timer(_POLL_S, active=False)

    def refresh(request: gr.Request) -> tuple[Any, ...]:
        t = texts_of(request)
        now = handlers.model_status(slot, t.page.model)
        # Asked for again only while a visitor who opened the tab waits for the model.
        return about_view.render_model(t, now), gr.Timer(active=now.state == "loading")

    tab = card.parent
    assert isinstance(tab, gr.Tab)
    gr.on([tab.select, poll.tick], refresh, None, [card, poll], **ASIDE)
    return [(always, about_view.render_about)]
