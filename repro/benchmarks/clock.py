"""Times of several ways to one result, taken in turns, and which of them others on the machine disturbed.

In each round every way has its turn, in the reverse order every second round, so that what drifts (clocks, heat, neighbours)
drifts for all. A sample is the mean over as many calls as fill ``SAMPLE`` seconds. It is disturbed where other processes used
more than ``DISTURBED`` of the cores meanwhile; medians are over undisturbed samples, while there are enough of them.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

SAMPLE = 0.2  # seconds: the kernel counts a core's use in steps of 0.01
PAUSE = 0.1  # seconds between turns: threads of another library that still wait in a busy loop go to sleep
DISTURBED = 0.1  # of the cores
ENOUGH = 3  # undisturbed samples
STAT = Path("/proc/stat")

Run = Callable[[], Any]


@dataclass(frozen=True)
class Pace:
    """How long a race may last: rounds go on until ``samples`` of each way are undisturbed, or ``seconds`` are over."""

    samples: int = 5
    seconds: float = 6.0
    sample: float = SAMPLE
    pause: float = PAUSE


@dataclass(frozen=True)
class Sample:
    """Seconds of one call, and the part of the cores that others used; ``None`` where the system does not tell."""

    seconds: float
    others: float | None

    @property
    def disturbed(self) -> bool:
        return self.others is not None and self.others > DISTURBED


@dataclass(frozen=True)
class Times:
    """The samples of one way, round by round."""

    samples: tuple[Sample, ...]

    @property
    def quiet(self) -> bool:
        """Whether all samples are undisturbed, or enough of them for the median to be over these alone."""
        return self.disturbed in (0, *range(len(self.samples) - ENOUGH + 1))

    @property
    def seconds(self) -> float:
        return median(sample.seconds for sample in self.samples if not (self.quiet and sample.disturbed))

    @property
    def disturbed(self) -> int:
        return sum(sample.disturbed for sample in self.samples)


def ratio(one: Times, other: Times) -> float:
    """The median over rounds of one way's seconds by the other's, over rounds that disturbed neither, if there are enough."""
    rounds = list(zip(one.samples, other.samples, strict=True))
    quiet = [pair for pair in rounds if not any(sample.disturbed for sample in pair)]
    return median(a.seconds / b.seconds for a, b in (quiet if len(quiet) >= ENOUGH else rounds))


def interleaved(ways: Mapping[str, Run], pace: Pace, synchronise: Run = lambda: None) -> dict[str, Times]:
    """Every way's times. ``synchronise`` waits for a device to finish; each way is called once before, untimed."""
    calls = {name: _calls(way, pace, synchronise) for name, way in ways.items()}
    samples: dict[str, list[Sample]] = {name: [] for name in ways}
    start = time.perf_counter()
    while not _done(samples.values(), pace, time.perf_counter() - start):
        for name in list(ways)[:: -1 if len(next(iter(samples.values()))) % 2 else 1]:
            time.sleep(pace.pause)
            samples[name].append(sample(ways[name], calls[name], synchronise))
    return {name: Times(tuple(own)) for name, own in samples.items()}


def sample(way: Run, calls: int = 1, synchronise: Run = lambda: None) -> Sample:
    """The mean over some calls, and what others did meanwhile."""
    synchronise()
    busy, own, start = _busy(), time.process_time(), time.perf_counter()
    for _ in range(calls):
        way()
    synchronise()
    elapsed, own, still = time.perf_counter() - start, time.process_time() - own, _busy()
    others = None if busy is None or still is None else (still - busy - own) / (elapsed * len(_cores()))
    return Sample(elapsed / calls, None if others is None else max(others, 0.0))


def _done(samples: Any, pace: Pace, elapsed: float) -> bool:
    rounds = min(map(len, samples))
    quiet = min(sum(not sample.disturbed for sample in own) for own in samples)
    return quiet >= pace.samples or (rounds >= min(ENOUGH, pace.samples) and elapsed >= pace.seconds)


def _calls(way: Run, pace: Pace, synchronise: Run) -> int:
    """How many calls fill a sample."""
    seconds = sample(way, 1, synchronise).seconds
    if seconds < pace.sample:  # what a first call sets up is not repeated
        seconds = sample(way, 1, synchronise).seconds
    return max(1, math.ceil(pace.sample / max(seconds, 1e-7)))


def _busy() -> float | None:
    """Seconds for which the cores that this process may use have been at work for anybody; Linux tells."""
    try:
        lines = STAT.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    ticks = [_work(line.split()[1:]) for line in lines if line.split()[:1] and line.split()[0] in _cores()]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def _work(fields: Sequence[str]) -> int:
    """user, nice and system time, interrupts, and what a host took for its other guests; not idle time."""
    user, nice, system, _idle, _waiting, hard, soft, stolen = map(int, fields[:8])
    return user + nice + system + hard + soft + stolen


@cache
def _cores() -> frozenset[str]:
    """The names that /proc/stat has for this process's cores."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return frozenset(f"cpu{number}" for number in allowed)
