"""Work captured as a graph: it gives what the work gives, over numbers that change, and what cannot be captured is done as written."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.executor import capture
from thinktwice.executor.capture import Captured

from ..attention.test_on_device import agree, both, image


def test_the_second_time_it_is_captured_and_from_then_on_launched(cupy: ModuleType) -> None:
    there, written = cupy.asarray(np.zeros(3)), []

    def work() -> tuple:
        written.append(True)
        there[...] = there + 1
        return (there * 2,)

    captured = Captured(work)
    made = [captured()[0] for _ in range(5)]
    assert len(written) == 2
    captured.release()
    for times, array in enumerate(made, 1):
        np.testing.assert_array_equal(array.get(), 2.0 * times)


@pytest.mark.parametrize(
    "refused", [lambda there: there @ there, lambda there: bool(there.any())], ids=["cuBLAS", "asks"]
)
def test_what_cannot_be_captured_is_done_as_it_is_written(cupy: ModuleType, refused) -> None:
    there = cupy.asarray(np.ones(3))

    def work() -> tuple:
        there[...] = there + 1
        refused(there)
        return (there * 1,)

    captured = Captured(work)
    for times in range(1, 5):
        np.testing.assert_array_equal(captured()[0].get(), 1.0 + times)


@pytest.mark.parametrize(("method", "net", "launches"), [("feedback", "", 5), ("feedback", "cam", 5), ("gp", "", 0)])
@pytest.mark.usefixtures("library")
def test_iterations(double: ModuleType, method: str, net: str, launches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With cuDNN a loop's iterations are launched: all but the first, which has no pass of its own, and the next. CuPy has no SVD
    captured."""
    launched = []
    monkeypatch.setattr(double.cuda.Graph, "launch", _counting(double.cuda.Graph.launch, launched))
    expected, found = (tt.attend(own, image(), [0, 1, 3], method, iterations=7) for own in both(net, "float32"))
    assert len(launched) == launches
    assert double.cuda.MemoryPool.held == 0
    agree(found.map.get(), expected.map, "float32")
    agree(found.curve.get(), expected.curve, "float32")


def _counting(launch, launched: list):
    def counted(graph, stream=None) -> None:
        launched.append(graph)
        launch(graph, stream)

    return counted


def test_a_capture_that_cuda_gives_up(double: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def given_up(stream) -> None:
        double.cuda.capturing = None
        raise RuntimeError("cudaErrorStreamCaptureInvalidated")

    monkeypatch.setattr(double.cuda.Stream, "end_capture", given_up)
    there = double.asarray(np.zeros(2))
    captured = capture.Captured(lambda: (there + 1,))
    for _ in range(4):
        np.testing.assert_array_equal(captured()[0].get(), [1, 1])
