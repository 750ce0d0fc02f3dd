"""The loss curve of a training run as a picture. Knows the Trainer's log rows and matplotlib, nothing of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inform_demo.errors import MissingDependencyError


def import_figure() -> tuple[Any, Any]:
    """The figure of matplotlib, and the canvas that draws it without a display.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("matplotlib", "Drawing", 'pip install "inform-demo[train]"') from None
    return Figure, FigureCanvasAgg


def plot_loss_curve(log_history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw training loss, its running mean, and loss and accuracy on the pairs held out; overwrites `path`."""
    Figure, FigureCanvasAgg = import_figure()

    def series(key: str) -> tuple[list[float], list[float]]:
        rows = [row for row in log_history if key in row]
        return [row["step"] for row in rows], [row[key] for row in rows]

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    steps, losses = series("loss")
    axes.plot(steps, losses, color="#9db8d2", linewidth=1, label="training loss")
    axes.plot(steps, _running_mean(losses), color="#0b5394", linewidth=2, label="training loss, running mean")
    axes.plot(*series("eval_loss"), color="#b45f06", marker="o", markersize=3, label="loss on held-out pairs")
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    right = axes.twinx()
    right.plot(
        *series("eval_accuracy"), color="#38761d", linestyle="--", marker="s", markersize=3, label="held-out accuracy"
    )
    right.set_ylabel("accuracy")
    right.set_ylim(0.4, 1.0)
    handles = [handle for axis in (axes, right) for handle in axis.get_legend_handles_labels()[0]]
    axes.legend(handles=handles, loc="upper right", frameon=False)
    axes.grid(alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _running_mean(values: Sequence[float], keep: float = 0.9) -> list[float]:
    means: list[float] = []
    for i, value in enumerate(values):
        # An average that starts at the first value leans on it for long; the correction takes that lean out.
        previous = means[-1] * (1 - keep**i) if means else 0.0
        means.append((keep * previous + (1 - keep) * value) / (1 - keep ** (i + 1)))
    return means
