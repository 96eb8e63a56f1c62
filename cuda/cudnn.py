"""A GPU's convolutions by cuDNN, in true single precision.

    forward            y[o, p] = sum_{c, k} w[o, c, k] x[c, p*stride - pad + k*dilation]
    input_gradient     the same sum read from y to x
    weight_gradient    the same sum read from (y, x) to w

For images of CuPy's in float32, where ``nvidia-cudnn-frontend`` is installed. A function returns ``None`` where it did nothing:
then the layers go their other way, as they do everywhere with ``THINKTWICE_CUDNN=0``. That cuDNN has no way for a case, or
cannot be used at all, is said once.

A plan, the kernel that cuDNN chose for a case, is made at the first sum of that case and kept; from then on nothing waits for the
GPU, so that a stream's work can be captured. Which kernels there are to choose from is said by notes that cuDNN has on each: see
``ROUNDING`` and ``TRANSFORMS``.
"""

from __future__ import annotations

import math
import os
import threading
import warnings
from functools import cache, lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..cpu.plans import Geometry

Array = Any  # cupy.ndarray
Shape = tuple[int, ...]

PLANS = 4096  # how many are kept
WORKSPACE_BYTES = 1 << 30  # what a plan may need beside its arrays
ALIGNMENT = 16  # bytes: cuDNN takes arrays to begin at such addresses

# Never wanted: fewer digits than float32 has (TF32 among them), sums in an order that varies, and transforms by which a plane's largest
# number is rounded into all of it, or of so many points that they are inexact.
ROUNDING = (
    "TENSOR_CORE",
    "DOWN_CONVERT_INPUTS",
    "REDUCED_PRECISION_REDUCTION",
    "NONDETERMINISTIC",
    "FFT",
    "WINOGRAD_TILE_13x13",
)
TRANSFORMS = ("WINOGRAD", "WINOGRAD_TILE_4x4", "WINOGRAD_TILE_6x6")  # by these a sum of zeros may come out as 1e-9


class Case(NamedTuple):
    """A sum to be planned. Its kernel and its groups are in the shapes."""

    operation: str  # cuDNN's
    operands: tuple[Shape, Shape]
    result: Shape
    stride: Shape
    pad: Shape
    dilation: Shape
    exact: bool  # where all products of a sum are 0, so is the sum


def forward(x: Array, weights: Array, geometry: Geometry, exact: bool) -> Array | None:
    """``x`` (N, C, H, W), ``weights`` (O, C/group, *kernel) -> (N, O, *reduced). ``exact``: where all products of a sum are 0, so is the sum."""
    result = (len(x), len(weights), *geometry.reduced(x.shape[2:]))
    return _sums("conv_fprop", x, weights, result, geometry, exact)


def input_gradient(signal: Array, weights: Array, geometry: Geometry, spatial: Shape, exact: bool) -> Array | None:
    """``signal`` (N, O, *positions), ``weights`` (O, C/group, *kernel) -> (N, C, *spatial). Pixels that no position sees get 0."""
    result = (len(signal), weights.shape[1] * geometry.group, *spatial)
    return _sums("conv_dgrad", signal, weights, result, geometry, exact)


def weight_gradient(x: Array, signal: Array, geometry: Geometry, exact: bool) -> Array | None:
    """``x`` (N, C, H, W), ``signal`` (N, O, *positions) -> (O, C/group, *kernel), summed over N."""
    result = (signal.shape[1], x.shape[1] // geometry.group, *geometry.kernel)
    return _sums("conv_wgrad", x, signal, result, geometry, exact)


def _sums(operation: str, one: Array, other: Array, result: Shape, geometry: Geometry, exact: bool) -> Array | None:
    if not serves(one, other):
        return None
    import cupy

    if not (one.size and other.size):
        return cupy.zeros(result, one.dtype)
    handle = _handles.here()
    moves = (geometry.stride, geometry.pad, geometry.dilation)
    plan = _plan(handle, Case(operation, (one.shape, other.shape), result, *moves, exact))
    if plan is None:
        return None
    sums = cupy.empty(result, one.dtype)
    _execute(plan, handle, (_laid(one), _laid(other), sums))
    return sums


def serves(*arrays: Array) -> bool:
    """Whether these are images or filters in float32, on a GPU, and cuDNN is there."""
    if any(isinstance(array, np.ndarray) or array.ndim != 4 or array.dtype != np.float32 for array in arrays):
        return False
    return library() is not None


@cache
def library() -> ModuleType | None:
    """cuDNN's graphs, as Python has them; ``None`` where they are not installed, or not wanted."""
    if os.environ.get("THINKTWICE_CUDNN") == "0":
        return None
    try:
        import cudnn

        cudnn.backend_version()
    except ModuleNotFoundError:
        return None
    except (ImportError, OSError, RuntimeError) as error:  # there, but without the library that it calls
        _say(f"cuDNN is installed but cannot be used ({error})")
        return None
    return cudnn


class _Handles(threading.local):
    """cuDNN's handles: a thread and a device each have their own. None is given back, which would wait for the device."""

    def __init__(self) -> None:
        self.of_device: dict[int, Any] = {}

    def here(self) -> Any:
        """This thread's, for CuPy's current device, at work on its current stream."""
        import cudnn
        import cupy

        device = cupy.cuda.runtime.getDevice()
        if device not in self.of_device:
            self.of_device[device] = cudnn.create_handle()
        handle = self.of_device[device]
        cudnn.set_stream(handle=handle, stream=cupy.cuda.get_current_stream().ptr)
        return handle


_handles = _Handles()


class Plan(NamedTuple):
    graph: Any
    workspace: int  # bytes


@lru_cache(PLANS)
def _plan(handle: Any, case: Case) -> Plan | None:
    """``None``, which is said, where cuDNN has no plan. A handle's plans are its own, so no two threads share one."""
    import cudnn

    try:
        graph = drawn(case, handle=handle)
        keep(graph, case)
        graph.check_support()
        graph.build_plans(cudnn.build_plan_policy.HEURISTICS_CHOICE)
    except (cudnn.cudnnGraphNotSupportedError, RuntimeError) as error:
        reason, *_ = str(error).splitlines() or ["no reason given"]  # then what each engine says
        _say(f"cuDNN has no plan in true single precision for {case} ({reason})")
        return None
    return Plan(graph, graph.get_workspace_size())


def drawn(case: Case, **where: Any) -> Any:
    """The graph of a sum, with all plans that cuDNN offers for it. Its arrays are numbered: two operands and the result.

    ``where``: a ``handle``, or the ``device_property`` of a card that need not be there. Raises what cuDNN does.
    """
    import cudnn

    single = cudnn.data_type.FLOAT
    graph = cudnn.pygraph(io_data_type=single, intermediate_data_type=single, compute_data_type=single, **where)
    operands = [
        graph.tensor(dim=list(shape), stride=_strides(shape), data_type=single, uid=number)
        for number, shape in enumerate(case.operands, 1)
    ]
    moves = {"padding": list(case.pad), "stride": list(case.stride), "dilation": list(case.dilation)}
    result = getattr(graph, case.operation)(*operands, **moves)
    # Its shape is told, for it does not follow from a signal's: strides may leave out an image's last rows.
    result.set_output(True).set_data_type(single).set_uid(len(operands) + 1)
    result.set_dim(list(case.result)).set_stride(_strides(case.result))
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
    return graph


def keep(graph: Any, case: Case) -> None:
    """Of the plans that are offered, only those that will do."""
    import cudnn

    unwanted = ROUNDING + TRANSFORMS if case.exact else ROUNDING
    graph.deselect_numeric_notes([getattr(cudnn.numerical_note, note) for note in unwanted])
    graph.deselect_workspace_greater_than(WORKSPACE_BYTES)


def _strides(shape: Shape) -> list[int]:
    """Of an array without gaps, in numbers."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _execute(plan: Plan, handle: Any, arrays: tuple[Array, ...]) -> None:
    """Addresses are given, not arrays: to ask an array for itself by DLPack may make one stream wait for another."""
    import cupy

    workspace = cupy.empty(plan.workspace, np.uint8)
    addresses = {number: array.data.ptr for number, array in enumerate(arrays, 1)}
    plan.graph.execute(addresses, workspace.data.ptr, handle=handle)


def _laid(array: Array) -> Array:
    """It, or a copy where it has gaps or begins where cuDNN does not expect it."""
    return array if array.flags.c_contiguous and array.data.ptr % ALIGNMENT == 0 else array.copy()


def _say(what: str) -> None:
    warnings.warn(f"thinktwice: {what}: convolutions go by CuPy", RuntimeWarning, stacklevel=2)
