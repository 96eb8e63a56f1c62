"""Work that a GPU does again and again over the same arrays: captured as a CUDA graph the second time, launched from then on.

Between one kernel and the next Python takes longer than most kernels do. What a loop's iteration asks of a GPU is the same each time,
though, so that CUDA can keep it, and do all of it at one word. A graph knows addresses: it reads the arrays that were read while it was
captured, whatever their numbers are by then, and writes where was written. Nothing runs meanwhile.

CuPy has no product of cuBLAS's captured: this pays where convolutions are cuDNN's (cuda/cudnn.py, layers/products.py). What cannot be
captured is done as it is written.

A graph's memory is its own, and CuPy's pools do not give back what they hold when they are dropped: whoever is done says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..layers.arrays import Array
from ..layers.products import to_be_captured

Work = Callable[[], tuple[Array, ...]]


class Captured:
    """One piece of work: ``captured()`` gives what ``work()`` does, in arrays of its own, until it is ``release``d."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._times = 0
        self._graph: Any = None
        self._memory: Any = None
        self._made: tuple[Array, ...] = ()

    def __call__(self) -> tuple[Array, ...]:
        self._times += 1
        if self._times == 2:
            self._graph = self._capture()
            if self._graph is None:
                self.release()
        if self._graph is None:
            with to_be_captured(self._times == 1):  # what captured work needs is made before
                return self._work()
        self._graph.launch()
        return tuple(array.copy() for array in self._made)  # the next launch writes there again

    def release(self) -> None:
        """Gives back the graph and its memory."""
        self._graph, self._made = None, ()
        if self._memory is not None:
            self._memory.free_all_blocks()

    def _capture(self) -> Any:
        import cupy

        self._memory = cupy.cuda.MemoryPool()  # the graph's own: others would be given what it frees on its way
        stream = cupy.cuda.Stream(non_blocking=True)  # CUDA captures no default stream
        with cupy.cuda.using_allocator(self._memory.malloc), stream, to_be_captured():
            stream.begin_capture()
            try:
                self._made = self._work()
            except Exception:  # whatever is wrong, the work itself will say
                _end(stream)
                return None
            except BaseException:
                _end(stream)
                raise
            return _end(stream)


def _end(stream: Any) -> Any:
    """The graph; ``None`` where CUDA has found something in it that it cannot keep."""
    try:
        return stream.end_capture()
    except Exception:  # of CuPy's or CUDA's many kinds
        return None
