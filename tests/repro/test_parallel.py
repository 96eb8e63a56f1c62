"""Tasks in several processes."""

from __future__ import annotations

import math
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from os import _exit

import pytest

from thinktwice.repro.parallel import done


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_is_done_once(jobs: int) -> None:
    assert sorted(done(math.sqrt, [16, 4, 9], jobs)) == [(4, 2), (9, 3), (16, 4)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_come_back(jobs: int) -> None:
    with pytest.raises(ValueError):
        list(done(math.sqrt, [4, -1], jobs))


def test_who_stops_need_not_wait_for_what_is_in_work() -> None:
    start = time.monotonic()
    with closing(done(time.sleep, [0, 60, 60], jobs=2)) as results:
        assert next(results) == (0, None)
    assert time.monotonic() - start < 30


def test_a_process_that_is_killed() -> None:
    with pytest.raises(BrokenProcessPool):
        list(done(_exit, [1], jobs=2))
