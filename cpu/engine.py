"""Finds the engine's build for the processor at hand.

Without one (no C++ compiler when the package was installed) layers run on NumPy, which is slower; this is said once.
``THINKTWICE_ENGINE`` names a build, ``avx512``, ``avx2`` or ``portable``, in the place of the best; ``0`` turns the engine off;
the path of a file asks for its builds.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np

from ..cuda.builds import built, say
from .memory import keep_freed

HERE = Path(__file__).resolve().parent
BUILDS = ("avx512", "avx2", "portable")
NUMBER = ctypes.c_longlong
ASKED = ctypes.CFUNCTYPE(None, NUMBER, ctypes.c_char_p)


class Engine(ctypes.Structure):
    """``Engine`` of common.h: its functions are for ``ask``, over the arguments that engine.h names."""

    _fields_ = (
        ("lanes", NUMBER),
        ("rows", NUMBER),
        ("operations", NUMBER),
        ("correlate", ASKED),
        ("multiply", ASKED),
        ("sparse", ASKED),
        ("correlate_weights", ASKED),
        ("winograd", ASKED),
        ("max_pool", ASKED),
        ("to_winners", ASKED),
        ("inner_product", ASKED),
        ("inner_product_transposed", ASKED),
        ("multiply_adds", ASKED),
    )


@cache
def engine() -> Engine | None:
    """The best build that this processor can run, or the one asked for; ``None`` where there is none, or none is wanted."""
    told = os.environ.get("THINKTWICE_ENGINE", "")
    if told == "0" or _library() is None:
        return None
    for name in [told] if told and not _is_path(told) else BUILDS:
        found = build(name)
        if found:
            return found
    say(f"found THINKTWICE_ENGINE={told}, expected one of {BUILDS} that this processor can run")
    return None


def build(name: str) -> Engine | None:
    """One of ``BUILDS``; ``None`` where this processor cannot run it, or nothing was built. The tests compare them in one process."""
    library = _library()
    address = library.thinktwice_engine(name.encode()) if library else None
    return Engine.from_address(address) if address else None


@cache
def _library() -> ctypes.CDLL | None:
    told = os.environ.get("THINKTWICE_ENGINE", "")
    library = built(HERE, "_engine", "the engine", told if _is_path(told) else None)
    if library:
        library.thinktwice_engine.restype = ctypes.c_void_p
        library.thinktwice_replay.argtypes = (NUMBER, NUMBER)
        keep_freed()
    return library


def _is_path(told: str) -> bool:
    return os.sep in told


def serves(*arrays: np.ndarray) -> bool:
    """Whether the engine runs over these arrays: NumPy's, of single precision."""
    return all(isinstance(array, np.ndarray) and array.dtype == np.float32 for array in arrays) and engine() is not None


def replay(table: int, calls: int) -> None:
    """Do the ``calls`` of a table at this address, one after the other."""
    cast(ctypes.CDLL, _library()).thinktwice_replay(table, calls)
