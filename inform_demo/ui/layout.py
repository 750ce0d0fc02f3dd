"""The page: where its parts stand, what each event calls, and how it is served.

Knows gradio's components and events; knows nothing of rewards or markup, which `handlers` and `view` make.
`InformError` becomes `gr.Error` here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from inform_demo.config import ModelConfig, ServeConfig
from inform_demo.errors import InformError
from inform_demo.slot import ScorerSlot
from inform_demo.types import Scorer
from inform_demo.ui import handlers, text, view
from inform_demo.ui.examples import EXAMPLES
from inform_demo.ui.theme import build_theme

logger = logging.getLogger(__name__)

_HERE = Path(__file__).parent

# Everything that runs the model waits in one line, and one at a time is served: there is one model and one device.
_SCORING = {"concurrency_id": "gpu", "concurrency_limit": 1}

# Asked for without the queue, so that a full queue never hides the state of the model.
_ASIDE: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

_POLL_S = 1.0


@dataclass(frozen=True)
class _Page:
    """The components that events read and write."""

    status: gr.HTML
    announcement: gr.HTML
    poll: gr.Timer
    retry: gr.Button
    fields: tuple[gr.Textbox, gr.Textbox, gr.Textbox, gr.Textbox]
    compare: gr.Button
    swap: gr.Button
    clear: gr.Button
    examples: tuple[gr.Button, ...]
    verdict: gr.HTML
    details: gr.HTML


def _live_region(label: str) -> str:
    """Script that makes a `gr.HTML` a live region: the role must be there before the content that is read out."""
    return f"element.setAttribute('role', 'status'); element.setAttribute('aria-label', {json.dumps(label)});"


def _build_header(model: handlers.ModelStatus) -> tuple[gr.HTML, gr.HTML, gr.Timer, gr.Button]:
    with gr.Row(elem_id="header"):
        gr.HTML(
            f"<h1>{escape(text.TITLE)}</h1><p>{escape(text.SUBTITLE)}</p>", elem_id="title", apply_default_css=False
        )
        with gr.Column(elem_id="model", min_width=340):
            status = gr.HTML(view.render_status(model), elem_id="model-status", apply_default_css=False)
            announcement = gr.HTML(
                view.render_announcement(model),
                elem_id="model-announcement",
                apply_default_css=False,
                js_on_load=_live_region(text.STATUS_LABEL),
            )
            retry = gr.Button(text.RETRY, size="sm", visible=False, elem_id="retry")
    return status, announcement, gr.Timer(_POLL_S), retry


def _build_fields() -> tuple[gr.Textbox, gr.Textbox, gr.Textbox, gr.Textbox]:
    prompt = gr.Textbox(label=text.PROMPT, placeholder=text.PROMPT_PLACEHOLDER, lines=3, max_lines=12)
    with gr.Row(elem_id="answers"):
        response_a, response_b = (
            gr.Textbox(
                label=label,
                placeholder=text.ANSWER_PLACEHOLDER,
                lines=6,
                max_lines=16,
                elem_id=elem_id,
                min_width=300,
            )
            for label, elem_id in ((text.ANSWER_A, "answer-a"), (text.ANSWER_B, "answer-b"))
        )
    with gr.Accordion(text.SYSTEM_FOLD, open=False):
        system = gr.Textbox(
            label=text.SYSTEM, show_label=False, placeholder=text.SYSTEM_PLACEHOLDER, lines=2, max_lines=8
        )
    return prompt, response_a, response_b, system


def _build_page(model: handlers.ModelStatus) -> _Page:
    status, announcement, poll, retry = _build_header(model)
    fields = _build_fields()
    with gr.Row(elem_id="actions"):
        compare = gr.Button(text.COMPARE_HINT, variant="primary", elem_id="compare", scale=0, min_width=240)
        swap = gr.Button(text.SWAP, elem_id="swap", scale=0, min_width=170)
        clear = gr.Button(text.CLEAR, elem_id="clear", scale=0, min_width=90)
    with gr.Row(elem_id="examples"):
        gr.HTML(f"<span>{escape(text.EXAMPLES)}</span>", elem_id="examples-label", apply_default_css=False)
        examples = tuple(gr.Button(example.label, size="sm", scale=0, min_width=80) for example in EXAMPLES)
    verdict = gr.HTML(
        view.render_empty(),
        elem_id="verdict",
        apply_default_css=False,
        js_on_load=_live_region(text.VERDICT_LABEL),
    )
    details = gr.HTML("", elem_id="details", apply_default_css=False)
    gr.HTML(f"<p>{escape(text.PRIVACY)}</p>", elem_id="privacy", apply_default_css=False)
    return _Page(
        status, announcement, poll, retry, fields, compare, swap, clear, examples, verdict, details
    )  # fmt: skip


def _connect_model(demo: gr.Blocks, page: _Page, slot: ScorerSlot, model: str) -> None:
    """Ask for the state of the model until it is ready; offer a retry where loading failed."""

    def refresh(announced: str) -> tuple[Any, ...]:
        status = handlers.model_status(slot, model)
        announcement = view.render_announcement(status)
        return (
            view.render_status(status),
            gr.skip() if announcement == announced else announcement,
            gr.Timer(active=status.state != "ready"),
            gr.Button(visible=status.state == "failed"),
        )

    def retry(announced: str) -> tuple[Any, ...]:
        slot.retry()
        return refresh(announced)

    outputs = [page.status, page.announcement, page.poll, page.retry]
    demo.load(refresh, page.announcement, outputs, **_ASIDE)
    page.poll.tick(refresh, page.announcement, outputs, **_ASIDE)
    page.retry.click(retry, page.announcement, outputs, **_ASIDE)


def _connect_compare(page: _Page, slot: ScorerSlot, tie_band: float) -> None:
    """Button, shortcut (which presses the button) and what is shown before, meanwhile and afterwards."""

    def show_verdict(prompt: str, response_a: str, response_b: str, system: str) -> Iterator[tuple[str, str]]:
        try:
            outcome = handlers.compare(slot, prompt, response_a, response_b, system)
        except InformError as error:
            yield view.render_error(str(error)), ""
            # The toast renders HTML.
            raise gr.Error(escape(str(error)), title=text.NOT_COMPARED, print_exception=False) from None
        except Exception:
            logger.exception("A comparison failed.")
            yield view.render_error(text.UNEXPECTED), ""
            raise gr.Error(text.UNEXPECTED, title=text.NOT_COMPARED, print_exception=False) from None
        yield view.render_verdict(outcome, tie_band), view.render_details(outcome, tie_band)

    busy = json.dumps([{"__type__": "update", "value": text.COMPARING, "interactive": False}, view.render_busy(), ""])
    ready = json.dumps({"__type__": "update", "value": text.COMPARE_HINT, "interactive": True})
    no_answer = json.dumps(view.render_error(f"{text.NO_ANSWER} {text.TEXT_KEPT}"))
    # Where no answer came back at all (queue full, server gone) the handler could not say so: the script does.
    finish = f"""(verdict) => {{
        inform.showVerdict();
        return [{ready}, verdict.includes("data-busy") ? {no_answer} : {{"__type__": "update"}}];
    }}"""
    scored = page.compare.click(
        None, None, [page.compare, page.verdict, page.details], js=f"() => {{ inform.startCompare(); return {busy}; }}"
    ).then(
        show_verdict,
        list(page.fields),
        [page.verdict, page.details],
        show_progress="minimal",
        show_progress_on=page.verdict,
        api_visibility="private",
        **_SCORING,
    )
    # In Gradio 6.31 `then` does not follow a failure, whatever its documentation says.
    for after in (scored.then, scored.failure):
        after(None, page.verdict, [page.compare, page.verdict], js=finish)


def _connect_fields(demo: gr.Blocks, page: _Page) -> None:
    """Swap, clear, examples and the memory over a reload: all in the visitor's browser, none of it asks the server."""
    fields = list(page.fields)
    outputs = [*fields, page.verdict, page.details]
    empty = json.dumps([view.render_empty(), ""])
    page.swap.click(None, fields, outputs, js=f"(p, a, b, s) => [p, b, a, s, ...{empty}]")
    page.clear.click(None, None, outputs, js=f'() => ["", "", "", "", ...{empty}]')
    for button, example in zip(page.examples, EXAMPLES, strict=True):
        texts = json.dumps([example.prompt, example.response_a, example.response_b, ""])
        button.click(None, None, outputs, js=f"() => [...{texts}, ...{empty}]")
    gr.on([field.change for field in fields], None, fields, None, js="(...texts) => { inform.remember(...texts); }")
    demo.load(None, fields, fields, js="(...texts) => inform.recall(...texts)")


def _connect_api(slot: ScorerSlot) -> None:
    def compare(prompt: str, response_a: str, response_b: str, system: str = "") -> dict[str, Any]:
        """Say which of two answers to a prompt the reward model prefers, and by how much.

        Args:
            prompt: what was asked.
            response_a: one answer.
            response_b: the other answer.
            system: an optional system prompt.

        Returns:
            reward_a, reward_b, margin (reward_a - reward_b), preference_probability (the model's belief that A is
            better), preferred ("a", "b" or "tie"), n_tokens_a, n_tokens_b, n_tokens_shared, elapsed_s, model and
            precision.
        """
        try:
            return handlers.compare(slot, prompt, response_a, response_b, system).comparison.to_dict()
        except InformError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception:
            logger.exception("A comparison failed.")
            raise gr.Error(text.UNEXPECTED, print_exception=False) from None

    gr.events.api(compare, api_name="compare", **_SCORING)


def build_demo(slot: ScorerSlot, config: ServeConfig, model: str = text.MODEL) -> gr.Blocks:
    """The page over a slot, with its queue; ready for `launch`.

    Args:
        slot: where the scorer is or will be.
        config: queue length and tie band.
        model: the model's name while there is no report of it.
    """
    demo: gr.Blocks = gr.Blocks(title=text.TITLE, analytics_enabled=False)
    with demo:
        page = _build_page(handlers.model_status(slot, model))
        _connect_model(demo, page, slot, model)
        _connect_compare(page, slot, config.tie_band)
        _connect_fields(demo, page)
        _connect_api(slot)
    demo.queue(api_open=False, max_size=config.max_queue, default_concurrency_limit=1)
    return demo


def launch_options(config: ServeConfig) -> dict[str, Any]:
    """What `Blocks.launch` is given: looks, address, and everything that could leak or call home switched off."""
    return {
        "server_name": config.host,
        "server_port": config.port,
        "theme": build_theme(),
        "css": (_HERE / "page.css").read_text(encoding="utf-8"),
        "head": f"<script>{(_HERE / 'page.js').read_text(encoding='utf-8')}</script>",
        "footer_links": ["api", "settings"],
        "run_history": False,  # it would keep every prompt in the visitor's browser without being asked
        "share": False,
        "show_error": False,
        "enable_monitoring": False,
        "allowed_paths": [],
        "max_file_size": "1kb",  # the upload route exists though nothing here uploads
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
    }


def launch(demo: gr.Blocks, config: ServeConfig, **options: Any) -> str:
    """Serve a page of `build_demo` and return its address.

    Args:
        demo: the page.
        config: address; the rest is fixed in `launch_options`.
        options: further arguments of `Blocks.launch`, such as `prevent_thread_lock`.
    """
    _, url, _ = demo.launch(**launch_options(config), **options)
    return str(url)


def serve(model_config: ModelConfig, config: ServeConfig) -> None:
    """Put the page up, load the model behind it, and serve until interrupted."""

    def load() -> Scorer:
        from inform_demo.scoring import RewardScorer

        return RewardScorer.load(model_config, config.tie_band)

    name = text.EMBEDDED_NAME if model_config.is_embedded else Path(model_config.source).name
    launch(build_demo(ScorerSlot(load), config, name), config)
