"""The double of CuPy is no more than CuPy, and refuses what CuPy refuses."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from . import cupy_double


def test_cupy_has_all_that_its_double_has() -> None:
    cupy = pytest.importorskip("cupy")
    assert not [name for name in cupy_double.NAMES if not hasattr(cupy, name)]
    assert not [name for name in vars(cupy_double.ndarray) if name != "__weakref__" and not hasattr(cupy.ndarray, name)]
    assert not [
        name
        for name in vars(cupy_double.cuda)
        if name not in ("capturing", "device", "stream") and not hasattr(cupy.cuda, name)
    ]


def test_numpys_arrays_stay_outside(double: ModuleType) -> None:
    there = double.asarray(np.ones(3))
    for mix in (lambda: there + np.ones(3), lambda: np.ones(3) * there, lambda: np.maximum(there, np.ones(3)),
                lambda: double.where(there > 0, np.ones(3), 0), lambda: there.__setitem__(0, np.ones(1))):  # fmt: skip
        with pytest.raises(TypeError, match="Unsupported type"):
            mix()
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(there)
    with pytest.raises(TypeError, match="unexpected keyword"):
        double.max(there, initial=0)
    with pytest.raises(AttributeError):
        double.percentile(there, 50)


def test_what_makes_the_host_wait_is_counted(double: ModuleType) -> None:
    there, before = double.arange(4), double.waits
    there = np.sqrt(there[1:].reshape(3, 1) * 2.0)
    assert isinstance(there, double.ndarray)
    assert double.waits == before
    assert bool((there > 0).all())
    there[there > 2].get()
    assert double.waits == before + 3  # a truth, a size, a copy


def test_a_graph_does_what_was_captured_when_it_is_launched(double: ModuleType) -> None:
    there, stream = double.asarray(np.arange(3.0)), double.cuda.Stream(non_blocking=True)
    stream.begin_capture()
    there *= 3
    there[0] = 7
    doubled = (there + 1)[::-1] * 2
    with pytest.raises(double.Captured):
        there.get()
    with pytest.raises(NotImplementedError):
        there @ there
    graph = stream.end_capture()
    np.testing.assert_array_equal(there.get(), [0, 1, 2])
    for expected in ([7, 3, 6], [7, 9, 18]):
        graph.launch(stream)
        np.testing.assert_array_equal(there.get(), expected)
        np.testing.assert_array_equal(doubled.get(), [2 * (number + 1) for number in expected[::-1]])
