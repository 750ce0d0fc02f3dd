"""The command `annotate`: magnitudes from an LLM judge. Parses its options; the work is `recipe.annotating`'s."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from inform_demo.cli_options import add_command
from inform_demo.errors import InformError


def add_annotate(commands: Any) -> None:
    """Add it to the parser."""
    text = "have an LLM judge say by how much each pair's better answer is better; goes on where it was stopped"
    parser = add_command(commands, "annotate", run_annotate, text, is_long=True)
    parser.add_argument("--data", type=Path, metavar="FILE", required=True, help=".jsonl or .jsonl.gz of pairs")
    parser.add_argument("--output", type=Path, metavar="FILE", required=True, help="pairs with magnitudes, to train on")
    parser.add_argument("--judge", metavar="MODEL", required=True, help="as its server calls it")
    parser.add_argument("--base-url", metavar="URL", required=True, help="any OpenAI-compatible API, up to its /v1")
    for name, kind, default, meta, text in (
        ("api-key-env", str, "OPENAI_API_KEY", "NAME", "environment variable that holds the key"),
        ("concurrency", int, 8, "N", "questions under way at one time"),
        ("timeout", float, 120.0, "S", "seconds of silence after which a request is lost"),
        ("retries", int, 5, "N", "after rate limits, server errors and lost connections"),
        ("max-reply-tokens", int, 1024, "N", "a longer reply is cut off; a judge that thinks aloud wants more"),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default, metavar=meta, help=f"{text} (default: {default})")
    for name, kind, meta, text in (
        ("max-tokens-budget", int, "N", "tokens to spend at most, both ways, over all runs"),
        ("max-cost", float, "USD", "the same in money; needs both prices"),
        ("price-in", float, "X", "USD a million tokens sent"),
        ("price-out", float, "Y", "USD a million tokens of replies"),
        ("limit", int, "N", "only the first N pairs"),
    ):
        parser.add_argument(f"--{name}", type=kind, metavar=meta, help=text)
    parser.add_argument("--dry-run", action="store_true", help="say what is to be asked and spent, and ask nobody")
    parser.add_argument("--drop-conflicts", action="store_true", help="leave out pairs judged against their label")
    parser.add_argument("--skip-invalid", action="store_true", help="leave invalid rows out and count them")


def run_annotate(options: argparse.Namespace) -> None:
    """`inform-demo annotate`."""
    from inform_demo.recipe.annotating import annotate, load_work
    from inform_demo.recipe.annotation_config import AnnotationConfig, JudgeConfig
    from inform_demo.recipe.annotation_report import render_estimate, render_report

    judge = JudgeConfig(
        model=options.judge,
        base_url=options.base_url,
        api_key_env=options.api_key_env,
        timeout_s=options.timeout,
        retries=options.retries,
        max_reply_tokens=options.max_reply_tokens,
    )
    names = AnnotationConfig.__dataclass_fields__.keys() - {"judge"}
    config = AnnotationConfig(judge=judge, **{name: getattr(options, name) for name in names})
    if options.dry_run:
        work = load_work(config)
        usage = work.estimate()
        print(f"{len(work.missing)} requests for {len(work.questions)} pairs; nobody was asked.")
        print(render_estimate(usage, config.cost_usd(usage)))
        return
    report = annotate(config)
    print(render_report(report))
    print(f"Wrote {config.output} and {config.report_path}")
    if report.unjudged:
        raise InformError(
            f"{len(report.unjudged)} of {report.n_pairs} pairs could not be judged and are left out. "
            "The same command asks for them again."
        )
