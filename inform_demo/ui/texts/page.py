"""The words that every tab shows: title, state of the model, faults.

Knows words only. What stands in braces is filled by `str.format`, and escaped by whoever renders it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PageTexts:
    """One language's words."""

    title: str
    subtitle: str
    status_label: str
    loading: str
    ready: str
    failed: str
    loading_hint: str
    elapsed: str
    failed_to_load: str
    retry: str
    embedded_name: str
    no_answer: str
    text_kept: str
    unexpected: str
    embedded_warning: str
    embedded_switch: str
    privacy: str
    prompt: str
    prompt_placeholder: str
    system: str
    answer_a: str
    answer_b: str
    empty_field: str
    too_many_characters: str
    in_field: str
    not_text: str
    model: str
    precision: str
    time: str
    tokens_shared: str
    margin: str
    rewards: str
    examples: str
    clear: str
    tab_compare: str
    tab_rank: str
    tab_batch: str
    tab_about: str


ENGLISH = PageTexts(
    title="INF-ORM side by side",
    subtitle="Paste a prompt and two answers. A reward model says which answer it prefers, and by how much.",
    status_label="Model status",
    loading="Loading",
    ready="Ready",
    failed="Failed",
    loading_hint="You can write meanwhile; a comparison waits for the model.",
    elapsed="{seconds:.0f} s",
    failed_to_load="The model could not be loaded.",
    retry="Try loading again",
    embedded_name="demonstration model",
    no_answer="No answer came back: too many people may be waiting, or the server cannot be reached.",
    text_kept="Your text is kept.",
    unexpected="Something went wrong on the server; its log says what. Your text is kept: you can try again.",
    embedded_warning="Small demonstration model: do not rely on its judgement.",
    embedded_switch="To use the real one, start this page with:",
    privacy="Your text is sent to this server to be scored and is not stored there. This tab remembers it until you close it.",
    prompt="Prompt",
    prompt_placeholder="What was asked",
    system="System prompt",
    answer_a="Answer A",
    answer_b="Answer B",
    empty_field="{field} is empty: write or paste some text there.",
    too_many_characters="{field} has {count:,} characters; the limit is {limit:,}. Shorten it: nothing is cut off silently.",
    in_field="{field}: {message}",
    not_text="{field} must be text; got {kind}.",
    model="Model",
    precision="Precision",
    time="Time computed",
    tokens_shared="Tokens shared",
    margin="Margin (A − B)",
    rewards="Rewards",
    examples="Examples",
    clear="Clear",
    tab_compare="Compare",
    tab_rank="Rank",
    tab_batch="Batch",
    tab_about="About",
)

CHINESE = PageTexts(
    title="INF-ORM side by side",
    subtitle="Paste a prompt and two answers. A reward model says which answer it prefers, and by how much.",
    status_label="Model status",
    loading="Loading",
    ready="Ready",
    failed="Failed",
    loading_hint="You can write meanwhile; a comparison waits for the model.",
    elapsed="{seconds:.0f} s",
    failed_to_load="The model could not be loaded.",
    retry="Try loading again",
    embedded_name="demonstration model",
    no_answer="No answer came back: too many people may be waiting, or the server cannot be reached.",
    text_kept="Your text is kept.",
    unexpected="Something went wrong on the server; its log says what. Your text is kept: you can try again.",
    embedded_warning="Small demonstration model: do not rely on its judgement.",
    embedded_switch="To use the real one, start this page with:",
    privacy="Your text is sent to this server to be scored and is not stored there. This tab remembers it until you close it.",
    prompt="Prompt",
    prompt_placeholder="What was asked",
    system="System prompt",
    answer_a="Answer A",
    answer_b="Answer B",
    empty_field="{field} is empty: write or paste some text there.",
    too_many_characters="{field} has {count:,} characters; the limit is {limit:,}. Shorten it: nothing is cut off silently.",
    in_field="{field}: {message}",
    not_text="{field} must be text; got {kind}.",
    model="Model",
    precision="Precision",
    time="Time computed",
    tokens_shared="Tokens shared",
    margin="Margin (A − B)",
    rewards="Rewards",
    examples="Examples",
    clear="Clear",
    tab_compare="Compare",
    tab_rank="Rank",
    tab_batch="Batch",
    tab_about="About",
)
