"""The page's colours and fonts as a Gradio theme; `page.css` adds what a theme cannot say.

Knows gradio's theme variables, and no component.
"""

from __future__ import annotations

import gradio as gr


def build_theme() -> gr.themes.Base:
    """Gradio's plain theme with the visitor's own fonts, which ask no other server, and one accent colour."""
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        input_border_width="1px",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_padding="0px",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
    )
