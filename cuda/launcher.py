"""Runs a kernel where its arrays lie: one text, compiled by NVRTC for the GPU and by the C++ compiler for the CPU.

On the GPU a kernel is CuPy's ``RawModule``, compiled at its first use for the card at hand and cached. On the CPU it is a
function of the extension module ``_host``, which ``setup.py`` builds where there is a C++ compiler. Without one nothing runs
here, and the layers take their NumPy way, which is slower; this is said once. ``THINKTWICE_HOST_KERNELS=0`` asks for that way,
and the path of another build asks for that.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np

from ..cpu.recording import Address, Asked, address, ask_with
from .builds import built
from .text import HERE, digest

Array = Any  # numpy.ndarray or cupy.ndarray
LARGEST_GRID = 2**31 - 1
FEWEST = 32  # numbers between gaps
# No fused multiply-adds: NumPy has none either. And CuPy keeps what it has compiled by options and text, headers left out.
NVRTC_OPTIONS = ("--std=c++17", f"-I{HERE}", "--fmad=false", f"-DTEXT_DIGEST={digest()}")

TYPES = {
    np.dtype(array): text  # in this machine's byte order
    for array, text in (("f4", "float"), ("f8", "double"), ("i1", "signed char"), ("i2", "short"), ("i4", "int"))
}


class Record:
    """A struct of 64-bit integers, which a kernel takes by value."""

    def __init__(self, *numbers: int):
        self.numbers = np.array(numbers, np.int64)
        self.address = Address(self.numbers, numbers)

    @cached_property
    def on_gpu(self) -> np.ndarray:
        """One number, of this struct's size: such CuPy passes by value."""
        return self.numbers.view(f"V{self.numbers.nbytes}")


class Rows:
    """An array that a kernel takes as rows of ``size`` numbers, ``apart`` numbers from each other: there may be gaps between them."""

    def __init__(self, array: Array, size: int):
        self.array = array
        self.apart = size if array.flags.c_contiguous else _apart(array, size)


def side_by_side(array: Array) -> int:
    """How many numbers there are without a gap; 0 where they are too few for a kernel."""
    if array.flags.c_contiguous:
        return array.size
    found = 1
    for n, step in zip(reversed(array.shape), reversed(array.strides), strict=True):
        if n > 1 and step != found * array.itemsize:
            break
        found *= n
    return found if found >= FEWEST else 0


def _apart(array: Array, size: int) -> int:
    """From row to row of an array with gaps; -1 where there are some within rows, or not the same between all."""
    width, within, apart, rows = array.itemsize, 1, 0, 1
    for n, step in zip(reversed(array.shape), reversed(array.strides), strict=True):
        if n == 1:
            continue
        if within < size:
            expected, within = width * within, within * n
        else:
            apart = apart if rows > 1 else step
            expected, rows = apart * rows, rows * n
        if step != expected:
            return -1
    return apart // width if within == size and apart % width == 0 else -1


def launch(
    file: str, kernel: str, of: tuple[Array, ...], blocks: int, *arguments: Any, threads: tuple[int, ...]
) -> bool:
    """Run the instance of ``kernel`` for the types of the arrays ``of`` over this many blocks. Returns whether it ran.

    Arguments are arrays of these types, integers (64 bits wide in the kernel), floats (of the first array's type) and records.
    It does not run over arrays with gaps or of other types, or where there is no compiled text: then nothing was touched.
    ``threads``: those of one block, on the GPU.
    """
    types = tuple([array.dtype for array in of])
    if isinstance(of[0], np.ndarray):
        run = _host_kernel(kernel, types)
        slots = _slots(arguments, types) if run else None
        if run and slots:
            ask_with(run, min(blocks, LARGEST_GRID), *slots)
        return slots is not None
    if not all(isinstance(argument, (int, float, Record)) or _readable(argument, types) for argument in arguments):
        return False
    if blocks:
        values = tuple(_on_gpu(argument, types[0].type) for argument in arguments)
        _gpu_kernel(file, kernel, types)((min(blocks, LARGEST_GRID),), threads, values)
    return True


def _readable(array: Array | Rows, types: tuple[np.dtype, ...]) -> bool:
    if isinstance(array, Rows):
        return array.array.dtype in types and array.apart >= 0
    return array.dtype in types and array.flags.c_contiguous


def _on_gpu(argument: Any, number: Callable[[float], Any]) -> Any:
    if isinstance(argument, Record):
        return argument.on_gpu
    if isinstance(argument, Rows):
        return argument.array
    return number(argument) if isinstance(argument, float) else argument


def _slots(arguments: tuple[Any, ...], types: tuple[np.dtype, ...]) -> tuple[str, list[float]] | None:
    """The arguments as host.cpp reads them: 8 bytes each, a number or an address. ``None`` if one is an array that it cannot read."""
    number = "f4x" if types[0].itemsize == 4 else "d"
    layout, values = "", list[float]()
    for argument in arguments:
        layout += number if isinstance(argument, float) else "q"
        if isinstance(argument, (int, float)):
            values.append(argument)
        elif isinstance(argument, Record):
            values.append(argument.address)
        elif _readable(argument, types):
            values.append(address(argument.array if isinstance(argument, Rows) else argument))
        else:
            return None
    return layout, values


def _instance(kernel: str, types: tuple[np.dtype, ...]) -> str | None:
    """Its name, as C++ spells it; ``None`` for types that kernels do not know."""
    names = [TYPES.get(one) for one in types]
    return None if None in names else f"{kernel}<{', '.join(map(str, names))}>"


@cache
def _gpu_kernel(file: str, kernel: str, types: tuple[np.dtype, ...]) -> Any:
    import cupy

    text, name = (HERE / file).read_text(encoding="utf-8"), _instance(kernel, types)
    return cupy.RawModule(code=text, options=NVRTC_OPTIONS, name_expressions=[name]).get_function(name)


@cache
def _host_kernel(kernel: str, types: tuple[np.dtype, ...]) -> Asked | None:
    library, name = host_build(), _instance(kernel, types)
    found = library.thinktwice_kernel(name.encode()) if library and name else None
    return ctypes.CFUNCTYPE(None, ctypes.c_longlong, ctypes.c_char_p)(found) if found else None


@cache
def host_build() -> ctypes.CDLL | None:
    """The kernels as built for this machine's CPU; ``None`` where there are none, they are of another text, or not wanted."""
    told = os.environ.get("THINKTWICE_HOST_KERNELS")
    if told == "0":
        return None
    library = built(HERE, "_host", "the kernels", told)
    if library:
        library.thinktwice_kernel.restype = ctypes.c_void_p
    return library
