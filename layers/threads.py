"""Threads that share out the images of a batch, for as long as someone asks for them.

BLAS has threads of its own, made for few large products. Training makes many small ones: there they gain less than half of
what a second core could give and, since they wait for each other in a busy loop, slow everything down tenfold next to any
other load. While images are shared out BLAS keeps to one thread, and so does every kernel that one of these threads runs;
the engine and the kernels, run by none of them, keep to all cores.

How a batch is cut does not hang on the number of threads, so results do not either.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import Any, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

_active: ThreadPoolExecutor | None = None


@contextmanager
def shared_out() -> Iterator[None]:
    """Within, ``each`` runs on all cores. Without threadpoolctl, which keeps BLAS to one thread, nothing changes."""
    global _active
    limits, before = _limits(), _active
    if limits is None:
        yield
        return
    with limits.limit(limits=1, user_api="blas"):
        _active = _pool()
        try:
            yield
        finally:
            _active = before


def available() -> bool:
    """Whether images can be shared out: threadpoolctl is installed."""
    return _limits() is not None


def each(function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterable[Result]:
    """``function`` of every part, results in order. Parts must not write to the same place."""
    if _active is None:
        return map(function, parts)
    running = [_active.submit(copy_context().run, function, part) for part in parts]  # with the caller's np.errstate
    return (future.result() for future in running)


def run(function: Callable[[Part], None], parts: Iterable[Part]) -> None:
    """``each``, of a function that writes its results where they belong."""
    deque(each(function, parts), maxlen=0)


@cache
def _pool() -> ThreadPoolExecutor:
    limits = _limits()
    return ThreadPoolExecutor(cores(), "images", lambda: limits.limit(limits=1))  # OpenMP counts for each thread


@cache
def _limits() -> Any:
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


def cores() -> int:
    """As many as the process may use, or OMP_NUM_THREADS if that is less: the same that the kernels go by."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(allowed, int(told)) if told.isdecimal() and int(told) else allowed
