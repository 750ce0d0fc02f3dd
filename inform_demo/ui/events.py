"""What the events of all tabs share: one line for the model, the visitor's language, faults as words.

Knows gradio's events and requests; knows no component and no markup.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import gradio as gr

from inform_demo.errors import EmptyTextError, InformError, InputError, InvalidTextError
from inform_demo.ui.examples import EXAMPLES
from inform_demo.ui.texts import LANGUAGES, Texts, describe_fault, flatten, resolve_texts
from inform_demo.web.metrics import count_fault

logger = logging.getLogger(__name__)

# Everything that runs the model waits in one line, and one at a time is served: there is one model and one device.
SCORING: dict[str, Any] = {"concurrency_id": "gpu", "concurrency_limit": 1}

# Asked for without the queue, so that a full queue never hides the state of the model.
ASIDE: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

# Gradio translates labels in the browser, by these keys; what is rendered here goes by the request.
I18N = gr.I18n(
    **{
        language: flatten(texts) | {f"example_{i}": example.label_in(language) for i, example in enumerate(EXAMPLES)}
        for language, texts in LANGUAGES.items()
    }
)

# Whether the log may hold what visitors give, for the request that is being answered.
LOG_TEXTS: ContextVar[bool] = ContextVar("log_texts", default=False)

# Whether the server is about to end, and an answer of many parts should be given as far as it is.
IS_ENDING: ContextVar[Callable[[], bool]] = ContextVar("is_ending", default=bool)

# A restart with the embedded model takes seconds; with 70B from a warm disk, minutes.
RESTART_S = 60

# What a visitor gave is checked by the page, which says what is wrong with it in their language already.
SAID_BY_THE_PAGE = {InputError, EmptyTextError, InvalidTextError}

# A piece of the page that is HTML of ours, and how it is rendered in a language.
Static = tuple[gr.HTML, Callable[[Texts], str]]


def texts_of(request: gr.Request | None) -> Texts:
    """The words for the browser that asks."""
    return resolve_texts(request.headers.get("accept-language") if request else None)


def words_of(error: Exception, t: Texts) -> str:
    """An error in words for a visitor; what was not foreseen goes to the log and is not echoed.

    Not even there with its message, unless texts may be logged: it may quote one.
    """
    count_fault(error)
    if isinstance(error, InformError):
        return str(error) if type(error) in SAID_BY_THE_PAGE else describe_fault(t, error)
    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    given = {"kind": type(error).__name__, "frames": frames}
    logger.error("A request failed.", extra=given, exc_info=error if LOG_TEXTS.get() else None)
    return t.page.unexpected


def api_error(error: Exception, t: Texts) -> gr.Error:
    """The error to raise for a program, which gets the words as they are."""
    return gr.Error(words_of(error, t), print_exception=False)


def live_region(label_key: str) -> str:
    """Script that makes a `gr.HTML` a live region: the role must be there before the content that is read out."""
    return f"element.setAttribute('role', 'status'); element.setAttribute('aria-label', inform.say({label_key!r}));"


def in_every_language(render: Callable[[Texts], Any]) -> str:
    """A script expression with what `render` gives in the visitor's language."""
    return f"({json.dumps({language: render(texts) for language, texts in LANGUAGES.items()})})[inform.language]"
