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


# How long threads wait in a busy loop for their next piece of work before they sleep: about half a millisecond, so that one layer
# finds them awake after another. For longer, as OpenMP has it, they would be in the way of BLAS's threads and of everything else.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}


def _loaded(path: Path) -> ctypes.CDLL:
    """With threads that wait as ``WAITING`` says, unless the user has said how: OpenMP reads it once, when it is loaded."""
    told = any(name in os.environ for name in WAITING)
    try:
        os.environ.update({} if told else WAITING)
        return ctypes.CDLL(str(path))
    finally:
        for name in () if told else WAITING:
            del os.environ[name]
