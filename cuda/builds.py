"""What ``setup.py`` built from a folder's C++ text: loaded where it is a build of the very text that lies there."""

from __future__ import annotations

import ctypes
import os
import warnings
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from .text import digest


def built(folder: Path, name: str, what: str, told: str | None = None) -> ctypes.CDLL | None:
    """The extension module ``name`` of a folder, or the file ``told``; ``None``, said once by whoever keeps the answer, where there is
    none or it is of another text. ``what``: it, in words."""
    for path in [Path(told)] if told else [folder / f"{name}{suffix}" for suffix in EXTENSION_SUFFIXES]:
        if path.is_file():
            library = _loaded(path)
            library.thinktwice_digest.restype = ctypes.c_char_p
            if library.thinktwice_digest().decode() == digest(folder):
                return library
            say(f"{path.name} was built from another text of {what}")
            return None
    say(f"{what} {'were' if what.endswith('s') else 'was'} not built for the CPU")
    return None


def say(what: str) -> None:
    how = "python setup.py build_ext --inplace, or pip install again, where there is a C++ compiler"
    warnings.warn(f"thinktwice: {what}: layers run on NumPy, more slowly ({how})", RuntimeWarning, stacklevel=2)


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
