"""A picture of a run: its losses, and what its test nets gave, over the iterations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..caffe_models import files
from .log import Line

Points = list[tuple[int, float]]


def draw(lines: Sequence[Line], path: Path, title: str = "") -> bool:
    """The lines of a log as a PNG; whether there was anything to draw. Raises ``ImportError`` without matplotlib."""
    from matplotlib.figure import Figure

    losses, others = _curves(lines)
    panels = [(name, curves) for name, curves in (("loss", losses), ("test", others)) if curves]
    if not panels:
        return False
    figure = Figure(figsize=(8, 3 * len(panels)), dpi=100, layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, curves) in zip(axes, panels, strict=True):
        for label, points in curves.items():
            axis.plot(*zip(*points, strict=True), label=label, linewidth=1, marker="." if len(points) < 50 else "")
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)
        axis.legend()
    axes[0].set_title(title)
    axes[-1].set_xlabel("iteration")
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return True


def _curves(lines: Sequence[Line]) -> tuple[dict[str, Points], dict[str, Points]]:
    """The losses, of training and of tests, and the tests' other outputs that are one number, by their names."""
    losses: dict[str, Points] = defaultdict(list)
    others: dict[str, Points] = defaultdict(list)
    for line in lines:
        if "lr" in line:
            losses["training"].append((line["iteration"], line["loss"]))
        elif "test" in line:
            found: dict[str, Any] = {"loss": line["loss"]} if "loss" in line else {}
            for name, value in {**line["outputs"], **found}.items():
                if isinstance(value, float):
                    curves = losses if "loss" in name.lower() else others
                    curves[f"test {line['test']}: {name}"].append((line["iteration"], value))
    return dict(losses), dict(others)
