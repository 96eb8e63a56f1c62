"""How many threads a measurement may use: ours, BLAS's and OpenMP's alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import BadInput

FEWER = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def on_threads(number: int) -> Iterator[None]:
    """Within, libraries that are loaded keep to so many threads, and so do those that are loaded later, and child processes.

    Raises ``BadInput`` where threadpoolctl, which does the first, is not installed.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise BadInput(
            "--threads: found no threadpoolctl, expected it: pip install 'thinktwice[train]', or set OMP_NUM_THREADS"
        ) from None
    before = {name: os.environ.get(name) for name in FEWER}
    os.environ.update(dict.fromkeys(FEWER, str(number)))
    try:
        with threadpool_limits(limits=number):
            yield
    finally:
        for name, told in before.items():
            if told is None:
                del os.environ[name]
            else:
                os.environ[name] = told
