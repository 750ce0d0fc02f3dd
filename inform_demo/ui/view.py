"""From values to the page's HTML: the verdict, its numbers, the state of the model.

Knows markup; knows no gradio, no scorer and no layout. Whatever did not come from this package goes through
`html.escape`, and the markup holds no scripts, so that nothing a visitor types can run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from inform_demo.config import INFORM_70B
from inform_demo.preference import BETTER_UP_TO, SLIGHTLY_BETTER_UP_TO, resolve_degree, resolve_preferred, shown_margin
from inform_demo.types import Comparison, LoadReport, Preferred
from inform_demo.ui.handlers import Outcome
from inform_demo.ui.texts import Texts

# The scale is the same for every comparison unless a reward is larger, so that bars can be compared by eye.
SMALLEST_SCALE = 5


def format_reward(value: float, signed: bool = False) -> str:
    """Two decimals, with a minus sign as typography has it; never "-0.00"."""
    rounded = round(value, 2) + 0.0
    sign = "−" if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}{abs(rounded):,.2f}"


def format_percent(probability: float) -> str:
    """Whole percent, on one line; certainty is never claimed."""
    if probability >= 0.995:
        return ">\N{NO-BREAK SPACE}99\N{NO-BREAK SPACE}%"
    if probability < 0.005:
        return "<\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}%"
    return f"{probability * 100:.0f}\N{NO-BREAK SPACE}%"


def mark(letter: str) -> str:
    """The coloured letter that stands for an answer everywhere; always beside words."""
    return f'<span class="mark mark-{letter.lower()}" aria-hidden="true">{letter}</span>'


def paragraph(sentence: str, css_class: str = "note") -> str:
    """A sentence, escaped, as a paragraph."""
    return f'<p class="{css_class}">{escape(sentence)}</p>'


def definitions(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, escaped, for a description list."""
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)


def describe(t: Texts, margin: float, tie_band: float) -> str:
    """The verdict as a sentence."""
    words = {
        "tie": t.compare.word_tie,
        "slightly": t.compare.word_slightly,
        "better": t.compare.word_better,
        "clearly": t.compare.word_clearly,
    }[resolve_degree(margin, tie_band)]
    preferred = resolve_preferred(margin, tie_band)
    return words if preferred == "tie" else t.compare.verdict_words.format(letter=preferred.upper(), words=words)


def render_count(t: Texts, n_tokens: int | None, max_tokens: int) -> str:
    """Tokens of an answer with its prompt against the limit; a blank line where there is nothing to count."""
    if n_tokens is None:
        return '<p class="count">&nbsp;</p>'
    if n_tokens <= max_tokens:
        return f'<p class="count">{escape(t.compare.count.format(n_tokens=n_tokens, max_tokens=max_tokens))}</p>'
    words = t.compare.count_over.format(n_tokens=n_tokens, max_tokens=max_tokens, excess=n_tokens - max_tokens)
    return f'<p class="count over"><span aria-hidden="true">⚠ </span>{escape(words)}</p>'


def render_title(t: Texts) -> str:
    """The page's name and what it does."""
    return f"<h1>{escape(t.page.title)}</h1><p>{escape(t.page.subtitle)}</p>"


def render_privacy(t: Texts) -> str:
    """Where a visitor's text goes."""
    return f"<p>{escape(t.page.privacy)}</p>"


def render_examples_label(t: Texts) -> str:
    """What stands before the examples."""
    return f"<span>{escape(t.page.examples)}</span>"


def render_empty(t: Texts) -> str:
    """What stands in the verdict's place before the first comparison."""
    return paragraph(t.compare.empty_verdict, "placeholder")


def render_busy(t: Texts) -> str:
    """What stands there while an answer is on its way; by `data-busy` the page's scripts know it, and add the wait."""
    return f'<p class="placeholder" data-busy>{escape(t.compare.busy_verdict)}</p>'


def render_error(t: Texts, message: str) -> str:
    """An error in words, escaped."""
    return (
        f'<div class="verdict failure"><p class="headline"><span class="mark mark-failure" aria-hidden="true">!</span>'
        f"<strong>{escape(t.compare.not_compared)}</strong></p>{paragraph(message, 'message')}</div>"
    )


def reward_bar(kind: str, reward: float, scale: float) -> str:
    """A bar from the left, so that the longer one is the better one below zero, too.

    Args:
        kind: "a", "b" or "rank", which have colours of their own.
        reward, scale: the bar reaches from -scale to the reward.
    """
    length = (1 + max(-1.0, min(reward / scale, 1.0))) * 50
    bar = f'<span class="bar bar-{kind}" style="width:{length:.2f}%"></span>'
    return f'<span class="track" aria-hidden="true">{bar}</span>'


def _reward_card(letter: str, label: str, reward: float, scale: float) -> str:
    return (
        f'<div class="reward">{mark(letter)}<span class="reward-name">{escape(label)}</span>'
        f'<span class="reward-value">{format_reward(reward)}</span>{reward_bar(letter.lower(), reward, scale)}'
        f'<div class="ticks" aria-hidden="true"><span>−{scale}</span><span>0</span><span>+{scale}</span></div></div>'
    )


def _rewards(t: Texts, comparison: Comparison) -> str:
    largest = max(abs(comparison.reward_a), abs(comparison.reward_b))
    scale = max(SMALLEST_SCALE, math.ceil(largest))
    return (
        f'<div class="rewards" role="group" aria-label="{escape(t.page.rewards)}">'
        f"{_reward_card('A', t.page.answer_a, comparison.reward_a, scale)}"
        f"{_reward_card('B', t.page.answer_b, comparison.reward_b, scale)}</div>"
    )


def _belief(t: Texts, comparison: Comparison) -> str:
    p = comparison.preference_probability
    return (
        f'<div class="belief"><p class="belief-label">{escape(t.compare.belief)}</p>'
        f'<div class="belief-bar" aria-hidden="true"><span class="bar-a" style="width:{p * 100:.2f}%"></span>'
        f'<span class="bar-b" style="width:{(1 - p) * 100:.2f}%"></span></div>'
        f'<p class="belief-values">'
        f"<span>{mark('A')}<span>{escape(t.page.answer_a)}: {escape(format_percent(p))}</span></span>"
        f"<span>{mark('B')}<span>{escape(t.page.answer_b)}: {escape(format_percent(1 - p))}</span></span></p></div>"
    )


def embedded_warning(t: Texts, report: LoadReport) -> str:
    """What the embedded model is, and how to get the real one; nothing for any other model."""
    if not report.is_embedded:
        return ""
    command = f"INFORM_MODEL={INFORM_70B} python app.py"
    return (
        f'<div class="warning"><p><span aria-hidden="true">⚠ </span>'
        f"<strong>{escape(t.page.embedded_warning)}</strong></p>"
        f"<p>{escape(t.page.embedded_switch)} <code>{escape(command)}</code></p></div>"
    )


def is_verdict(html: str) -> bool:
    """Whether it is what `render_verdict` made, and no error, placeholder or wait."""
    return 'class="verdict" data-words=' in html


def render_verdict(t: Texts, outcome: Outcome, tie_band: float) -> str:
    """The verdict in words, then the rewards, the margin and the model's belief.

    The data attributes are what the visitor's history keeps of it, and the time that was computed.

    Args:
        outcome: what was computed.
        tie_band: a probability within this of one half is too close to call.
    """
    comparison = outcome.comparison
    preferred = resolve_preferred(comparison.margin, tie_band)
    margin = shown_margin(comparison.reward_a, comparison.reward_b)
    words = describe(t, comparison.margin, tie_band)
    summary = f"A {format_reward(comparison.reward_a)} · B {format_reward(comparison.reward_b)} · {comparison.model}"
    icon = '<span class="mark mark-tie" aria-hidden="true">=</span>' if preferred == "tie" else mark(preferred.upper())
    return (
        f'<div class="verdict" data-words="{escape(words)}" data-elapsed="{comparison.elapsed_s}" '
        f'data-rewards="{escape(summary)}"><p class="stale">{escape(t.compare.stale)}</p>'
        f'<p class="headline">{icon}<strong>{escape(words)}</strong></p>'
        f"{paragraph(t.compare.published_differs, 'differs') if _differs(outcome, preferred) else ''}"
        f"{embedded_warning(t, outcome.report)}"
        f'<div class="figures"><div>{_rewards(t, comparison)}'
        f'<p class="margin">{escape(t.page.margin)}: '
        f"<strong>{format_reward(margin, signed=True)}</strong></p></div>"
        f"{_belief(t, comparison)}</div>{paragraph(t.compare.reward_is)}</div>"
    )


def _differs(outcome: Outcome, preferred: Preferred) -> bool:
    """Whether the model prefers the answer that the published rewards do not."""
    if outcome.published is None or preferred == "tie":
        return False
    a, b = outcome.published
    return (preferred == "a") != (a > b)


def _published(t: Texts, comparison: Comparison, published: tuple[float, float]) -> str:
    rows = (
        (comparison.model, comparison.reward_a, comparison.reward_b),
        (t.compare.published, *published),
    )
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{format_reward(a)}</td><td>{format_reward(b)}</td>'
        f"<td>{format_reward(shown_margin(a, b), signed=True)}</td></tr>"
        for name, a, b in rows
    )
    head = "".join(
        f'<th scope="col">{escape(cell)}</th>'
        for cell in (t.page.model, t.page.answer_a, t.page.answer_b, t.page.margin)
    )
    return (
        f'<div class="published"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"{paragraph(t.compare.published_note)}</div>"
    )


def render_words(t: Texts, tie_band: float) -> str:
    """What the words of a verdict mean, in percent."""
    tie, up_to = 0.5 + tie_band, t.compare.up_to
    words = ((t.compare.word_slightly, SLIGHTLY_BETTER_UP_TO), (t.compare.word_better, BETTER_UP_TO))
    rows = (
        (t.compare.word_tie, up_to.format(percent=format_percent(tie))),
        # A wide band takes the place of the words that end within it.
        *((word, up_to.format(percent=format_percent(p))) for word, p in words if p > tie),
        (t.compare.word_clearly, t.compare.above.format(percent=format_percent(max(tie, BETTER_UP_TO)))),
    )
    return f'{paragraph(t.compare.words_intro)}<dl class="words">{definitions(rows)}</dl>'


def render_details(t: Texts, outcome: Outcome) -> str:
    """What stands below the verdict: the rewards that are published for these very texts, if any, beside ours."""
    return (
        f'<div class="details">{_published(t, outcome.comparison, outcome.published)}</div>'
        if outcome.published
        else ""
    )
