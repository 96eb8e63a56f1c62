"""One run of a benchmark: its tables, row by row, and all that must be known to judge them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from ...errors import BadInput
from ...executor.device import Device
from ...layers.threads import cores
from . import kernels, layers, methods
from .clock import Pace, interleaved
from .cores import on_threads
from .limits import LARGE, arithmetic, copier, peak, synchronise
from .machine import environment, machine, versions
from .models import Model
from .peers import find_peers
from .race import COPY, Entry, Row, Setting

Note = Callable[[str], None]


@dataclass(frozen=True)
class Suite:
    """What to measure. ``only``: rows whose name has this in it; ``model``: in the place of the standard nets."""

    tables: tuple[str, ...]
    device: str = "auto"
    against: tuple[str, ...] = ()
    model: Model | None = None
    only: str = ""
    threads: int | None = None
    pace: Pace = field(default_factory=Pace)
    seed: int = 0


def measure(suite: Suite, note: Note = lambda line: None) -> dict[str, Any]:
    """The report as plain data; ``note`` is told of each row as its turn comes. Raises ``BadInput``."""
    with on_threads(suite.threads) if suite.threads else nullcontext():
        return _report(suite, note)


def _report(suite: Suite, note: Note) -> dict[str, Any]:
    device, threads = Device.named(suite.device), suite.threads or cores()
    device.use()
    peers = find_peers(suite.against, device, threads)
    note("measuring the machine's limits")
    before, operation, best = machine(device), arithmetic(device, threads), peak(device, threads)
    copies = interleaved({COPY: copier(LARGE, device, threads)}, suite.pace, lambda: synchronise(device))[COPY]
    setting = Setting(device, threads, suite.pace, operation, peers, suite.seed)
    tables = {name: list(_rows(name, suite, setting, note)) for name in suite.tables}
    if not any(tables.values()):
        raise BadInput(f"--only: found no row with {suite.only!r} in its name, expected a part of one")
    return {
        "command": shlex.join(["thinktwice", *sys.argv[1:]]),
        "machine": before,
        "versions": versions(peers),
        "environment": environment(),
        "device": device.name,
        "threads": threads,
        "precision": "float32",
        "limits": {
            "operations_per_second": 1 / operation.seconds,
            "peak_operations_per_second": best and 1 / best.seconds,
            "copy_bytes": LARGE,
            "copy_bytes_per_second": 2 * LARGE / copies.seconds,
            "disturbed": operation.disturbed or not copies.quiet,
        },
        "tables": tables,
    }


def _rows(table: str, suite: Suite, setting: Setting, note: Note) -> Iterator[Row]:
    for name, make in _entries(table, suite, setting):
        if suite.only in name:
            note(f"{table}: {name}")
            yield {"name": name, **make()}


def _entries(table: str, suite: Suite, setting: Setting) -> Iterator[Entry]:
    if table == "kernels":
        return kernels.entries(setting)
    return (layers if table == "layers" else methods).entries(setting, suite.model)
