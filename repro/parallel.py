"""Work on several processors at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def done(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Generator[tuple[Task, Result], None, None]:
    """Each task with what ``work`` makes of it, as soon as it is there: in so many processes, or with one in this one.

    Whatever ends the loop early, an error or Ctrl-C, ends the processes too. One that was killed from outside raises
    ``BrokenProcessPool``.
    """
    if jobs == 1:
        yield from ((task, work(task)) for task in tasks)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread in each process, rather than all in each
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        futures = {pool.submit(work, task): task for task in tasks}
        try:
            yield from ((futures[future], future.result()) for future in as_completed(futures))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():  # the pool would still wait for the tasks in work
                process.terminate()
            raise
