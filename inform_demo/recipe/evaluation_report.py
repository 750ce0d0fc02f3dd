"""An evaluation as a Markdown table and as a picture. Knows results and matplotlib; no model and no items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from inform_demo.recipe.curves import import_figure
from inform_demo.recipe.results import Evaluation, together
from inform_demo.recipe.rewardbench import BENCHMARKS, REWARDBENCH_2, Benchmark


def render_markdown(evaluation: Evaluation) -> str:
    """The results as Markdown: of a benchmark its sections first, then a row a subset."""
    rows = list(evaluation.subsets)
    synthetic = [subset for subset in rows if subset.source.startswith("synthetic-")]
    if len(synthetic) > 1:
        rows.append(together("synthetic-* together", synthetic))
    if not evaluation.benchmark:
        rows.append(together("all pairs together", evaluation.subsets))
    lines = [
        *_section_table(evaluation),
        "| set | n | prompts | accuracy | 95 % interval | going by length alone |",
        "| --- | ---: | ---: | ---: | :---: | ---: |",
        *(
            f"| {row.source} | {row.n} | {row.n_prompts} | {row.accuracy:.3f} | {row.low:.3f} to {row.high:.3f} "
            f"| {row.length_wins:.3f} ({row.length_rule}) |"
            for row in rows
        ),
        "",
        f"{evaluation.model} in {evaluation.precision} on {evaluation.data}. {_tie_rule(evaluation)} "
        f"{_left_out(evaluation)} Intervals take what shares a prompt together. Where one answer is the longest, "
        f"it is preferred in {evaluation.longest_preferred:.1%} and right in {evaluation.longest_right:.1%}.",
    ]
    return "\n".join(lines)


def plot_results(evaluation: Evaluation, path: Path) -> None:
    """Draw each subset's accuracy with its interval, and what going by length gives; overwrites `path`."""
    Figure, FigureCanvasAgg = import_figure()
    rows = evaluation.subsets[::-1]
    figure = Figure(figsize=(8, 1.6 + 0.3 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    places = range(len(rows))
    axes.hlines(places, [row.low for row in rows], [row.high for row in rows], color="#9db8d2", linewidth=5)
    axes.plot([row.accuracy for row in rows], places, "o", color="#0b5394", label="accuracy and 95 % interval")
    axes.plot([row.length_wins for row in rows], places, "x", color="#b45f06", label="going by length alone")
    axes.axvline(0.5, color="#888888", linewidth=1, linestyle=":")
    axes.set_yticks(places, [f"{row.source} ({row.n})" for row in rows])
    axes.set_xlim(0, 1.02)
    axes.set_title(f"{evaluation.model} in {evaluation.precision} on {evaluation.data}", fontsize=10)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, dpi=120)


def _left_out(evaluation: Evaluation) -> str:
    unit = "prompts" if evaluation.benchmark == REWARDBENCH_2.name else "pairs"
    return f"Left out: {evaluation.n_too_long} {unit} over the token limit, {evaluation.n_invalid} invalid rows."


def _tie_rule(evaluation: Evaluation) -> str:
    if evaluation.benchmark == REWARDBENCH_2.name:
        return "A tie for the best counts as its share; Ties has a formula of its own."
    return "A tie counts as a loss."


def _section_table(evaluation: Evaluation) -> list[str]:
    """A line a model: this one, what its authors published of INF-ORM, and preferring the longer answer."""
    if not evaluation.benchmark:
        return []
    benchmark = BENCHMARKS[evaluation.benchmark]
    missing = [section for section in benchmark.sections if section not in evaluation.sections]
    rows = {
        f"**{evaluation.model}**": _cells(evaluation.sections, benchmark),
        **{f"{name}, published": [f"{score:.1f}" for score in row] for name, row in benchmark.published.items()},
        "preferring the longer answer": _cells(evaluation.longer_sections, benchmark),
    }
    covered = f"This score covers {', '.join(evaluation.sections)}; there are no items of {', '.join(missing)}."
    return [
        f"| model | score | {' | '.join(benchmark.sections)} |",
        f"| --- | ---: |{' ---: |' * len(benchmark.sections)}",
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()),
        "",
        *([covered, ""] if missing else []),
    ]


def _cells(sections: Mapping[str, float], benchmark: Benchmark) -> list[str]:
    scores = [sections.get(section) for section in benchmark.sections]
    return ["–" if score is None else f"{100 * score:.1f}" for score in (fmean(sections.values()), *scores)]
