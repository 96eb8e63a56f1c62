"""A double of cuDNN beside that of CuPy: graphs whose sums are literal loops over the very memory, shapes and strides that they were
given."""

from __future__ import annotations

import ctypes
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import cupy_double

NOTES = {
    *("TENSOR_CORE", "DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION", "NONDETERMINISTIC", "FFT"),
    *("WINOGRAD", "WINOGRAD_TILE_4x4", "WINOGRAD_TILE_6x6", "WINOGRAD_TILE_13x13", "STRICT_NAN_PROP"),
}


class NotSupported(Exception):
    pass


class CuDNN:
    """The module. ``refused``: operations for which it has no plan; ``graphs``: those with a plan."""

    cudnnGraphNotSupportedError = NotSupported
    data_type = SimpleNamespace(FLOAT="float")
    heur_mode = SimpleNamespace(A="A", FALLBACK="fallback")
    build_plan_policy = SimpleNamespace(HEURISTICS_CHOICE="choice")
    numerical_note = SimpleNamespace(**{note: note for note in NOTES})

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.graphs: list[Graph] = []
        self.asked = 0

    def backend_version(self) -> int:
        return 92801

    def create_handle(self) -> Handle:
        return Handle(cupy_double.cuda.device)

    def set_stream(self, handle: Handle, stream: int) -> None:
        handle.stream = stream

    def pygraph(self, handle: Handle, **types: str) -> Graph:
        assert set(types.values()) == {"float"}
        return Graph(self, handle)


class Handle:
    def __init__(self, device: int):
        self.device, self.thread, self.stream = device, threading.get_ident(), 0


class Tensor:
    def __init__(self, dim: Any = None, stride: Any = None, uid: int = 0):
        self.dim, self.stride, self.uid = dim, stride, uid

    def set_output(self, whether: bool) -> Tensor:
        assert whether
        return self

    def set_data_type(self, data_type: str) -> Tensor:
        assert data_type == "float"
        return self

    def set_uid(self, uid: int) -> Tensor:
        self.uid = uid
        return self

    def set_dim(self, dim: list[int]) -> Tensor:
        self.dim = dim
        return self

    def set_stride(self, stride: list[int]) -> Tensor:
        self.stride = stride
        return self

    def at(self, address: int) -> np.ndarray:
        """The numbers that lie there."""
        assert address % 16 == 0
        numbers = ctypes.c_float * (1 + sum((n - 1) * step for n, step in zip(self.dim, self.stride, strict=True)))
        steps = [4 * step for step in self.stride]
        return np.lib.stride_tricks.as_strided(np.ctypeslib.as_array(numbers.from_address(address)), self.dim, steps)


class Graph:
    def __init__(self, module: CuDNN, handle: Handle):
        self.module, self.handle = module, handle
        self.barred: set[str] = set()
        self.runs: list[int] = []  # the streams
        self.broken = False

    def tensor(self, dim: list[int], stride: list[int], data_type: str, uid: int) -> Tensor:
        assert data_type == "float"
        return Tensor(dim, stride, uid)

    def conv_fprop(self, image: Tensor, weight: Tensor, **moves: list[int]) -> Tensor:
        return self._convolution("conv_fprop", moves, image, weight, new := Tensor(), new)

    def conv_dgrad(self, loss: Tensor, filter: Tensor, **moves: list[int]) -> Tensor:
        return self._convolution("conv_dgrad", moves, new := Tensor(), filter, loss, new)

    def conv_wgrad(self, image: Tensor, loss: Tensor, **moves: list[int]) -> Tensor:
        return self._convolution("conv_wgrad", moves, image, new := Tensor(), loss, new)

    def _convolution(
        self, operation: str, moves: dict[str, list[int]], x: Tensor, weights: Tensor, y: Tensor, new: Tensor
    ) -> Tensor:
        self.operation, self.moves, self.tensors = operation, moves, (x, weights, y)
        return new

    def validate(self) -> None:
        """Shapes go together as Caffe's and cuDNN's do."""
        (n, c, *spatial), (o, share, *kernel), y = (tensor.dim for tensor in self.tensors)
        assert c % share == 0
        assert o % (c // share) == 0
        sizes = zip(spatial, kernel, *(self.moves[name] for name in ("padding", "stride", "dilation")), strict=True)
        assert y == [n, o, *((size + 2 * p - (d * (k - 1) + 1)) // s + 1 for size, k, p, s, d in sizes)]

    def build_operation_graph(self) -> None:
        pass

    def create_execution_plans(self, modes: list[str]) -> None:
        assert modes == ["A", "fallback"]

    def deselect_numeric_notes(self, notes: list[str]) -> None:
        self.barred.update(notes)

    def deselect_workspace_greater_than(self, room: int) -> None:
        assert room == 1 << 30

    def check_support(self) -> None:
        self.module.asked += 1
        if self.operation in self.module.refused:
            raise NotSupported("none of the engines will do")

    def build_plans(self, policy: str) -> None:
        assert policy == "choice"
        self.module.graphs.append(self)

    def get_workspace_size(self) -> int:
        return 40

    def execute(self, addresses: dict[int, int], workspace: int, handle: Handle) -> None:
        assert handle is self.handle
        assert (handle.thread, handle.device) == (threading.get_ident(), cupy_double.cuda.device)
        if self.broken:
            raise RuntimeError("the kernel failed")
        self.runs.append(handle.stream)
        x, w, y = (tensor.at(addresses[tensor.uid]) for tensor in self.tensors)

        def run() -> None:
            ctypes.memset(workspace, 0xFF, self.get_workspace_size())
            _sums(self.operation, x, w, y, *(self.moves[name] for name in ("stride", "padding", "dilation")))

        run() if cupy_double.cuda.capturing is None else cupy_double.cuda.capturing.append(run)


def _sums(operation: str, x: np.ndarray, w: np.ndarray, y: np.ndarray, stride: Any, pad: Any, dilation: Any) -> None:
    """One product at a time, in double precision."""
    result = {"conv_fprop": y, "conv_dgrad": x, "conv_wgrad": w}[operation]
    total = np.zeros(result.shape)
    outputs, inputs = len(w) * w.shape[1] // x.shape[1], w.shape[1]  # of a group
    for n, o, *p in np.ndindex(*y.shape):
        for c, *k in np.ndindex(*w.shape[1:]):
            pixel = [a * s - q + b * d for a, b, s, q, d in zip(p, k, stride, pad, dilation, strict=True)]
            if all(0 <= at < size for at, size in zip(pixel, x.shape[2:], strict=True)):
                at_x, at_w, at_y = (n, o // outputs * inputs + c, *pixel), (o, c, *k), (n, o, *p)
                if operation == "conv_fprop":
                    total[at_y] += np.float64(w[at_w]) * x[at_x]
                elif operation == "conv_dgrad":
                    total[at_x] += np.float64(w[at_w]) * y[at_y]
                else:
                    total[at_w] += np.float64(x[at_x]) * y[at_y]
    result[...] = total
