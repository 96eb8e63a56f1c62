"""Runs a kernel where its arrays lie: one text, compiled by NVRTC for the GPU and by the C++ compiler for the CPU.

On the GPU a kernel is CuPy's ``RawModule``, compiled at its first use for the card at hand and cached. On the CPU it is a
function of the extension module ``_host``, which ``setup.py`` builds where there is a C++ compiler. Without one nothing runs
here, and the layers take their NumPy way, which is slower; this is said once. ``THINKTWICE_HOST_KERNELS=0`` asks for that way.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Callable
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import numpy as np

from .text import HERE, digest

Array = Any  # numpy.ndarray or cupy.ndarray
LARGEST_GRID = 2**31 - 1
NVRTC_OPTIONS = ("--std=c++17", f"-I{HERE}", "--fmad=false")  # no fused multiply-adds: NumPy has none either

TYPES = {
    np.dtype(array).str: text  # with the byte order
    for array, text in (("f4", "float"), ("f8", "double"), ("i1", "signed char"), ("i2", "short"), ("i4", "int"))
}


def launch(
    file: str, kernel: str, of: tuple[Array, ...], blocks: int, *arguments: Any, threads: tuple[int, ...]
) -> bool:
    """Run the instance of ``kernel`` for the types of the arrays ``of`` over this many blocks. Returns whether it ran.

    Arguments are arrays, Python integers (64 bits wide in the kernel), and NumPy scalars and records, passed as they are.
    It does not run over arrays with gaps, of types without an instance, or where there is no compiled text: then nothing
    was touched. ``threads``: those of one block, on the GPU.
    """
    arrays = [argument for argument in arguments if not isinstance(argument, (int, np.generic))]
    types = {array.dtype: TYPES.get(array.dtype.str) for array in of}
    if None in types.values() or not all(array.dtype in types and array.flags.c_contiguous for array in arrays):
        return False
    name = f"{kernel}<{', '.join(str(types[array.dtype]) for array in of)}>"
    if not isinstance(of[0], np.ndarray):
        if blocks:
            _gpu_kernel(file, name)((min(blocks, LARGEST_GRID),), threads, arguments)
        return True
    run = _host_kernel(name)
    if run is None:
        return False
    _call(run, min(blocks, LARGEST_GRID), arguments)
    return True


@cache
def _gpu_kernel(file: str, name: str) -> Any:
    import cupy

    text = (HERE / file).read_text(encoding="utf-8")
    return cupy.RawModule(code=text, options=NVRTC_OPTIONS, name_expressions=[name]).get_function(name)


@cache
def _host_kernel(name: str) -> Callable[..., None] | None:
    library = host_build()
    address = library.thinktwice_kernel(name.encode()) if library else None
    return ctypes.CFUNCTYPE(None, ctypes.c_longlong, ctypes.c_void_p)(address) if address else None


@cache
def host_build() -> ctypes.CDLL | None:
    """The kernels as built for this machine's CPU; ``None`` where there are none, they are of another text, or not wanted."""
    if os.environ.get("THINKTWICE_HOST_KERNELS") == "0":
        return None
    for path in (HERE / f"_host{suffix}" for suffix in EXTENSION_SUFFIXES):
        if path.is_file():
            library = _loaded(path)
            library.thinktwice_kernel.restype = ctypes.c_void_p
            library.thinktwice_digest.restype = ctypes.c_char_p
            if library.thinktwice_digest().decode() == digest():
                return library
            _say(f"{path.name} was built from another text of the kernels")
            return None
    _say("the kernels were not built for the CPU")
    return None


def _loaded(path: Path) -> ctypes.CDLL:
    """Its threads sleep between kernels, unless OMP_WAIT_POLICY says otherwise: by default they would wait in a busy loop, in
    the way of BLAS's threads, whose turn it is next, and of everything else on the machine."""
    told = os.environ.get("OMP_WAIT_POLICY")
    os.environ["OMP_WAIT_POLICY"] = told or "PASSIVE"  # read once, when OpenMP is loaded
    try:
        return ctypes.CDLL(str(path))
    finally:
        if told is None:
            del os.environ["OMP_WAIT_POLICY"]


def _say(what: str) -> None:
    how = "python setup.py build_ext --inplace, or pip install again, where there is a C++ compiler"
    warnings.warn(f"thinktwice: {what}: layers run on NumPy, more slowly ({how})", RuntimeWarning, stacklevel=2)


def _call(run: Callable[..., None], blocks: int, arguments: tuple[Any, ...]) -> None:
    """Hand over pointers to the arguments, as cuLaunchKernel takes them."""
    slots, pointers = (ctypes.c_longlong * len(arguments))(), (ctypes.c_void_p * len(arguments))()
    first, kept = ctypes.addressof(slots), []
    for number, argument in enumerate(arguments):
        if isinstance(argument, np.generic):
            kept.append(np.asarray(argument))
            pointers[number] = kept[-1].ctypes.data
        else:
            slots[number] = argument if isinstance(argument, int) else argument.ctypes.data
            pointers[number] = first + number * ctypes.sizeof(ctypes.c_longlong)
    run(blocks, pointers)
