"""A race: ours and others' ways to one result, of which no time is told before the results agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...executor.device import Device, to_numpy
from .clock import Pace, Run, Sample, Times, interleaved, ratio
from .limits import copier, multiply_adds, synchronise

OURS, COPY, PEAK = "thinktwice", "copy", "multiply-adds"

Row = dict[str, Any]
Entry = tuple[str, Callable[[], Row]]  # a row's name, and what makes it


@dataclass(frozen=True)
class Setting:
    """Where and how long all races of a run are run, and what ``arithmetic`` of limits.py found."""

    device: Device
    threads: int
    pace: Pace
    operation: Sample
    peers: Mapping[str, Any] = field(default_factory=dict)  # name -> module, see peers.py
    seed: int = 0


@dataclass(frozen=True)
class Race:
    """What makes one row of a table.

    ``expected``: label -> a slow way to the result, which is held against ours and not timed. ``bound``: the greatest error
    (relative l2) that any other's result may have. ``yardsticks``: label -> (n, something else of ours), of whose n-fold time
    ours is told. ``operations``: counted as in direct convolution, a multiply-add as two; a race that has them is held against
    multiply-adds over registers alone. ``bytes``: what must be read and written at least, inputs and outputs once each; a race that
    has them is held against a copy that moves as many.
    """

    ours: Run
    bound: float
    peers: Mapping[str, Run] = field(default_factory=dict)
    expected: Mapping[str, Run] = field(default_factory=dict)
    yardsticks: Mapping[str, tuple[int, Run]] = field(default_factory=dict)
    operations: int | None = None
    bytes: int | None = None


def run(race: Race, setting: Setting) -> Row:
    """The row, but for its name, as plain data. ``agrees`` is whether all results agree; where they do not, nothing is timed."""
    errors = parity(race)
    agrees = all(error <= race.bound for error in errors.values())
    row = {"agrees": agrees, "bound": race.bound, "errors": errors}
    return {**row, **_timed(race, setting)} if agrees else row


def parity(race: Race) -> dict[str, float]:
    """The error of every other's result, relative l2."""
    ours = _numbers(race.ours())
    return {label: distance(ours, _numbers(way())) for label, way in {**race.expected, **race.peers}.items()}


def distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    """|ours - theirs| / |theirs| (l2), infinite where shapes differ or numbers are not finite.

    For a whole blob, since a ReLU or a switch that flips at a near tie may change single numbers of two right results.
    """
    if ours.shape != theirs.shape:
        return float("inf")
    size, error = np.linalg.norm(theirs.astype(np.float64)), np.linalg.norm(ours.astype(np.float64) - theirs)
    relative = error / size if size else (0.0 if error == 0 else float("inf"))
    return float(relative) if np.isfinite(relative) else float("inf")


def _numbers(result: Any) -> np.ndarray:
    """An array of NumPy's, CuPy's or torch's, in NumPy."""
    return np.array(to_numpy(result)) if not hasattr(result, "cpu") else result.cpu().numpy().copy()


def _timed(race: Race, setting: Setting) -> Row:
    ways = {OURS: race.ours, **race.peers, **{label: way for label, (_, way) in race.yardsticks.items()}}
    if race.bytes is not None:
        ways[COPY] = copier(race.bytes // 2, setting.device, setting.threads)
    alone = multiply_adds(setting.device, setting.threads) if race.operations else None
    if alone:
        ways[PEAK] = alone[0]
    times = interleaved(ways, setting.pace, lambda: _synchronise(setting))
    ours = times[OURS]
    return {
        "times": {label: _described(own) for label, own in times.items()},
        "ratios": {label: ratio(times[label], ours) for label in race.peers},
        "yardsticks": {label: ratio(ours, times[label]) / count for label, (count, _) in race.yardsticks.items()},
        "operations": race.operations,
        "operations_per_second": race.operations and race.operations / ours.seconds,
        "of_arithmetic": race.operations and race.operations * setting.operation.seconds / ours.seconds,
        "of_peak": race.operations and alone and race.operations / alone[1] * ratio(times[PEAK], ours),
        "bytes": race.bytes,
        "bytes_per_second": race.bytes and race.bytes / ours.seconds,
        "of_copy": race.bytes and ratio(times[COPY], ours),
    }


def _described(times: Times) -> dict[str, Any]:
    """The times of one way: its median seconds, and what they were made of."""
    return {
        "seconds": times.seconds,
        "quiet": times.quiet,
        "disturbed": times.disturbed,
        "samples": [vars(sample) for sample in times.samples],
    }


def _synchronise(setting: Setting) -> None:
    synchronise(setting.device)
    for peer in setting.peers.values():
        peer.synchronise()
