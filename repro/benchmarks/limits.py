"""What the machine can do at best, measured in the same run: arithmetic, and copying."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from ...cpu.engine import engine
from ...cpu.recording import address, ask
from ...executor.device import Device
from .clock import Run, Sample, sample

SIDES = (1024, 2048, 3072)  # of the square matrices
REPEATS = 5
ROUNDS = 1 << 19  # of multiply-adds in a row: some milliseconds
LARGE = 256 << 20  # bytes to copy where no particular number is asked for: more than most caches hold

ARITHMETIC_BY = "the best single-precision matrix product (sgemm) of sides " + ", ".join(map(str, SIDES))


def arithmetic(device: Device, threads: int) -> Sample:
    """Seconds of one single-precision operation, a multiply-add counting as two, in ``ARITHMETIC_BY``.

    On the CPU in a process of its own, so that BLAS's threads do not go on waiting in ours, and without OPENBLAS_CORETYPE:
    it may name an older processor, and the limit is the machine's.
    """
    if device.index is not None:
        return best_product(device)
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))}
    environment.pop("OPENBLAS_CORETYPE", None)
    told = f"import json; from {__name__} import best_product; print(json.dumps(vars(best_product())))"
    done = subprocess.run([sys.executable, "-c", told], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Sample(**json.loads(done.stdout))


def multiply_adds(device: Device, threads: int) -> tuple[Run, int] | None:
    """Nothing but multiply-adds, over registers, on so many threads of a CPU, its peak: what does them, and how many operations that
    is. ``None`` where nothing tells."""
    build = engine() if device.index is None else None
    if build is None:
        return None
    sums = np.empty(threads, np.float32)
    return lambda: ask(build.multiply_adds, ROUNDS, address(sums)), ROUNDS * build.operations * threads


def peak(device: Device, threads: int) -> Sample | None:
    """Seconds of one operation in the fastest of several runs of ``multiply_adds``."""
    alone = multiply_adds(device, threads)
    if alone is None:
        return None
    run, operations = alone
    best = min((sample(run, calls=10) for _ in range(REPEATS)), key=lambda loop: loop.seconds)
    return replace(best, seconds=best.seconds / operations)


def best_product(device: Device | None = None) -> Sample:
    """The fastest of several matrix products, by the operation."""
    device = device or Device.named("cpu")
    return min((product for side in SIDES for product in _products(device, side)), key=lambda product: product.seconds)


def _products(device: Device, side: int) -> Iterator[Sample]:
    rng = np.random.default_rng(0)
    a, b = (device.array(rng.standard_normal((side, side), np.float32), np.dtype("float32")) for _ in range(2))
    calls = max(1, (SIDES[-1] // side) ** 3 // 4)
    for _ in range(REPEATS):
        product = sample(lambda: a @ b, calls, lambda: synchronise(device))
        yield replace(product, seconds=product.seconds / (2 * side**3))


def copier(size: int, device: Device, threads: int) -> Callable[[], Any]:
    """A copy of so many bytes from one place to another that is there already, on all threads: it moves twice as many."""
    source = device.array(np.ones(max(size // 4, 1), np.float32), np.dtype("float32"))
    target = source.copy()
    if device.index is not None:
        return lambda: target.__setitem__(..., source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(lambda part: np.copyto(*part), parts))  # NumPy lets go of Python's lock


def synchronise(device: Device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.index is not None:
        import cupy

        cupy.cuda.Device(device.index).synchronize()
