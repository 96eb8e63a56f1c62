"""Work on record: blanks stand for arrays, and a program does with other arrays what was asked over them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thinktwice.cpu.engine import engine
from thinktwice.cpu.program import Program
from thinktwice.cpu.recording import Blank, Recorder, Unrecordable, active, address, empty, place
from thinktwice.cuda import kernels
from thinktwice.cuda.launcher import Record, host_build

pytestmark = pytest.mark.skipif(
    engine() is None or host_build() is None, reason="the engine or the kernels are not built, or turned off"
)


def recorded(work: Callable[..., Any], *arrays: np.ndarray) -> Program:
    with Recorder() as recorder:
        blanks = [recorder.blank(array.shape, array.dtype, array.strides) for array in arrays]
        made = work(*blanks)
    return Program(recorder, len(arrays), made)


def doubled(x: np.ndarray) -> np.ndarray:
    """2 x, where x > 0: two kernels."""
    positive, twice = empty(x.shape), empty(x.shape)
    assert kernels.relu(x, 0, positive)
    assert kernels.gate(positive, constant(x.shape, 2), twice)
    return twice


def constant(shape: tuple[int, ...], value: float) -> np.ndarray:
    numbers = np.full(shape, value, np.float32)
    numbers.setflags(write=False)
    return numbers


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_what_was_asked_is_done_with_other_arrays() -> None:
    program = recorded(lambda x: [doubled(x)], numbers(3, 4, 5))
    for seed in range(3):
        x = numbers(3, 4, 5, seed=seed)
        (found,) = program([x])
        np.testing.assert_array_equal(found, 2 * np.maximum(x, 0), strict=True)
        assert type(found) is np.ndarray
        assert found.flags.writeable


def test_nothing_is_done_while_a_record_is_made() -> None:
    with Recorder() as recorder:
        assert active() is recorder
        x = recorder.blank((2, 3), np.dtype("f"))
        y = doubled(x)
        assert len(recorder.calls) == 2
        assert isinstance(y, Blank)
        assert recorder.holds(place(y))
    assert active() is None


def test_results_are_parts_and_inputs_as_well() -> None:
    x, other = numbers(2, 6, 4), numbers(5)

    def work(x: np.ndarray, other: np.ndarray) -> list[np.ndarray]:
        y = doubled(x)
        return [y[:, 2:4], other, y, x.reshape(12, 4)]

    part, same, whole, reshaped = recorded(work, x, other)([x, other])
    assert same is other
    assert np.shares_memory(reshaped, x)
    np.testing.assert_array_equal(reshaped, x.reshape(12, 4))
    assert np.shares_memory(part, whole)
    np.testing.assert_array_equal(part, whole[:, 2:4])
    np.testing.assert_array_equal(whole, doubled(x))


def test_inputs_lie_as_those_of_the_record_did() -> None:
    """Gaps between images, and one row that stands for all."""
    images, row = numbers(3, 8, 5, 7)[:, 2:6], np.broadcast_to(numbers(4, 5, 7), (3, 4, 5, 7))

    def work(x: np.ndarray) -> list[np.ndarray]:
        y = empty(x.shape)
        assert kernels.relu_gradient(x, constant(x.shape, 1), 0, True, y)
        return [y]

    for x in (images, row):
        np.testing.assert_array_equal(recorded(work, x)([x])[0], np.maximum(x, 0))


def test_arrays_that_nobody_wants_share_memory_when_their_time_is_over() -> None:
    """A chain of 50 needs room for two; and one that is read again in the end stays."""
    x = numbers(1, 1000)

    def work(x: np.ndarray) -> list[np.ndarray]:
        first = y = doubled(x)
        for _ in range(49):
            y = doubled(y)
        last = empty(x.shape)
        assert kernels.gate(first, y, last)
        return [last]

    program = recorded(work, x)
    assert program._room <= 4 * x.nbytes + 512
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(program([x])[0], work(x)[0])


def test_records_of_numbers_are_kept_or_moved() -> None:
    """One that holds an address goes along with it; another only has to stay alive."""
    where = Record(7, 9, 3, 3, 2, 2, 1, 1, 1, 1, 4, 5)
    staying = weakref.ref(where.numbers)

    def work(x: np.ndarray, where: Record) -> list[np.ndarray]:
        sums = empty((2, 4, 5))
        assert kernels.window_sums(x, where, sums)
        return [sums]

    x = numbers(2, 7, 9)
    expected, program = work(x, where)[0], recorded(lambda x, of=where: work(x, of), x)
    del where
    gc.collect()
    assert staying() is not None
    np.testing.assert_array_equal(program([x])[0], expected)


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x + 1,
        lambda x: np.add(1, x),
        lambda x: np.concatenate([x, x]),
        lambda x: np.broadcast_to(x, (2, *x.shape)),
        lambda x: x.sum(),
        lambda x: x.max(-1),
        lambda x: x.any(),
        lambda x: x.copy(),
        lambda x: x.astype(np.float64),
        lambda x: x[[0, 1]],
        lambda x: x[x > 0],
        lambda x: x[0, 0],
        lambda x: x.item(0),
        lambda x: x.flat[0],
        lambda x: x.tolist(),
        lambda x: float(x[:1, :1].reshape(())),
        lambda x: bool(x[:1, :1].reshape(())),
        lambda x: next(iter(x[0])),
        lambda x: x.__setitem__(0, 1),
        lambda x: x.__iadd__(1),
        lambda x: x.dot(x),
        lambda x: x @ x,
    ],
)
def test_blanks_refuse_whatever_numpy_would_compute(work: Callable[[np.ndarray], Any]) -> None:
    with Recorder() as recorder, pytest.raises(Unrecordable):
        work(recorder.blank((3, 3), np.dtype("f")))


def test_blanks_can_be_looked_at_from_all_sides() -> None:
    with Recorder() as recorder:
        x = recorder.blank((2, 3, 4), np.dtype("f"))
        for view in (x[1], x[:, 1:], x.reshape(6, 4), x.swapaxes(0, 1), x[None], x.T):
            assert isinstance(view, Blank)
            assert recorder.holds(place(view))


def test_arrays_of_unknown_origin_are_not_taken() -> None:
    """They may hold other numbers the next time; those that nobody can write to do not."""
    y = np.ones((2, 3), np.float32)
    with Recorder() as recorder:
        x = recorder.blank((2, 3), np.dtype("f"))
        with pytest.raises(Unrecordable, match="expected weights"):
            kernels.gate(x, y, empty((2, 3)))
        with pytest.raises(Unrecordable):
            Program(recorder, 1, [y])
        y.setflags(write=False)
        assert address(y) == place(y)


def test_arrays_without_numbers_have_no_place() -> None:
    with Recorder() as recorder:
        for shape, strides in (((2, 0), None), ((3,), (-4,)), ((1 << 40,), None)):
            with pytest.raises((Unrecordable, ValueError, TypeError)):
                recorder.blank(shape, np.dtype("f"), strides)


def test_a_record_that_fails_leaves_nothing_behind() -> None:
    with pytest.raises(ZeroDivisionError), Recorder():
        raise ZeroDivisionError
    assert active() is None
    assert type(empty((2,))) is np.ndarray
