"""The Rank tab: where its parts stand and what its events call.

Knows gradio's components and events; knows nothing of rewards or markup.
"""

from __future__ import annotations

import gradio as gr

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.events import I18N, Static


def build_rank_tab(demo: gr.Blocks, slot: ScorerSlot, config: ServeConfig) -> list[Static]:
    """Build the tab's parts where it is called, and connect them.

    Returns:
        The parts that are HTML of ours and change with the language only.
    """
    gr.Markdown(I18N("rank_title"))
    return []
