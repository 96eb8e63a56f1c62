"""Turns, medians, and what becomes of samples that others disturbed."""

from __future__ import annotations

import pytest

from thinktwice.repro.benchmarks import clock
from thinktwice.repro.benchmarks.clock import Pace, Sample, Times, interleaved, ratio


def times(*samples: tuple[float, float | None]) -> Times:
    return Times(tuple(Sample(*sample) for sample in samples))


def test_the_median_is_over_undisturbed_samples_where_there_are_three():
    found = times((1, 0), (2, 0.05), (3, 0), (90, 0.9), (80, 0.5))
    assert (found.quiet, found.disturbed, found.seconds) == (True, 2, 2)


def test_with_fewer_it_is_over_all_and_says_so():
    found = times((1, 0), (2, 0), (90, 0.9), (80, 0.5))
    assert (found.quiet, found.disturbed, found.seconds) == (False, 2, 41)


def test_one_undisturbed_sample_is_quiet_where_there_is_no_other():
    assert times((1, 0)).quiet
    assert not times((1, 0.5)).quiet


def test_where_the_system_does_not_tell_nothing_is_marked():
    found = times((1, None), (3, None), (2, None))
    assert (found.quiet, found.disturbed, found.seconds) == (True, 0, 2)


def test_a_ratio_is_taken_round_by_round():
    one, other = times((2, 0), (4, 0), (30, 0)), times((1, 0), (2, 0), (10, 0))
    assert ratio(one, other) == 2


def test_a_round_that_disturbed_either_is_left_out_of_a_ratio():
    one = times((2, 0), (4, 0), (6, 0), (9, 0.9), (9, 0))
    other = times((1, 0), (2, 0), (3, 0), (1, 0), (1, 0.9))
    assert ratio(one, other) == 2


def test_ways_take_turns_in_alternating_order():
    turns: list[str] = []
    ways = {name: lambda name=name: turns.append(name) for name in "abc"}
    found = interleaved(ways, Pace(samples=2, seconds=0, sample=0, pause=0))
    rounds = len(found["a"].samples)
    warm_up = 3
    assert rounds >= 2
    assert "".join(turns[warm_up : warm_up + 6]) == "abccba"
    assert {name: len(own.samples) for name, own in found.items()} == dict.fromkeys("abc", rounds)


def test_rounds_go_on_until_enough_samples_are_undisturbed(monkeypatch):
    loads = iter([0.0, 0.9, 0.0, 0.9, 0.0] + [0.0] * 100)
    monkeypatch.setattr(clock, "sample", lambda way, calls, synchronise: Sample(1.0, next(loads)))
    found = interleaved({"a": lambda: None}, Pace(samples=3, seconds=1e9, sample=0, pause=0))["a"]
    assert [sample.disturbed for sample in found.samples] == [True, False, True, False, False]


def test_what_others_use_is_what_is_busy_beyond_this_process(monkeypatch):
    busy, own, wall = iter([10.0, 11.5]), iter([0.0, 0.5]), iter([0.0, 1.0])
    monkeypatch.setattr(clock, "_busy", lambda: next(busy))
    monkeypatch.setattr(clock, "_cores", lambda: frozenset({"cpu0", "cpu1"}))
    monkeypatch.setattr(clock.time, "process_time", lambda: next(own))
    monkeypatch.setattr(clock.time, "perf_counter", lambda: next(wall))
    assert clock.sample(lambda: None, 4) == Sample(0.25, 0.5)


def test_busy_seconds_are_read_for_this_process_s_cores_only(monkeypatch, tmp_path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 20 30 4000 5 6 7 8 0 0\ncpu1 900 0 0 0 0 0 0 0 0 0\nintr 5\n")
    monkeypatch.setattr(clock, "STAT", stat)
    monkeypatch.setattr(clock, "_cores", lambda: frozenset({"cpu0"}))
    monkeypatch.setattr(clock.os, "sysconf", lambda name: 100)
    assert clock._busy() == pytest.approx(1.71)
    monkeypatch.setattr(clock, "STAT", tmp_path / "none")
    assert clock._busy() is None
