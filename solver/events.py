"""What a run tells while it goes on, in Caffe's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Stepped:
    """One update was made, the ``iteration``-th (from 1). ``loss``: smoothed, as Caffe displays it; ``rate``: of the update."""

    iteration: int
    loss: float
    rate: float


@dataclass(frozen=True)
class Displayed:
    """Every ``display`` iterations: loss (smoothed over ``average_loss``), rate and net outputs after ``iteration`` updates."""

    iteration: int
    loss: float
    rate: float
    outputs: Outputs


@dataclass(frozen=True)
class Tested:
    """Outputs of test net number ``net``, averaged over ``test_iter`` batches; their loss under ``test_compute_loss``."""

    iteration: int
    net: int
    outputs: Outputs
    loss: float | None


@dataclass(frozen=True)
class Saved:
    """A snapshot after ``iteration`` updates, told just before its files appear. ``recent``: the losses that the next smoothed loss will count, oldest first.

    ``seed``: the run's, which no file of Caffe's has a place for.
    """

    iteration: int
    weights: str
    state: str
    recent: tuple[float, ...]
    seed: int


Event = Stepped | Displayed | Tested | Saved
