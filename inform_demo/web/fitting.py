"""Arguments that Gradio cannot hand to a function: words for whoever sent them, and one line in the log.

Gradio would print a traceback that quotes what was sent, and say that the server is at fault. Knows gradio's page;
knows no request.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from inform_demo.web.stumbles import UNFIT, is_stumble, log_stumble


def refuse_unfit(demo: gr.Blocks) -> None:
    """From now on arguments too few, of another kind or out of range are refused by `UNFIT`."""
    preprocess = demo.preprocess_data

    async def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return await preprocess(*args, **kwargs)
        except Exception as error:
            is_in_words = isinstance(error, gr.Error) and not error.print_exception
            if is_in_words or not is_stumble(error):
                raise
            log_stumble(error)
            raise gr.Error(UNFIT, print_exception=False) from None

    demo.preprocess_data = checked  # type: ignore[method-assign]
