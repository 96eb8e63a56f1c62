"""thinktwice: the reference implementation of top-down attention in convolutional networks.

A Caffe file becomes an immutable graph of layers; a forward pass leaves a trace; a paper is a rule that walks the trace
back from a target to the image.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> the module that holds it. Resolved on first use: importing thinktwice costs nothing, and pytest, which
# imports this file once more under the checkout's folder name, meets no relative import.
_PUBLIC = {
    "load": "thinktwice.executor.load",
    "attend": "thinktwice.attention.attend",
    "METHODS": "thinktwice.attention.methods",
    "Net": "thinktwice.executor.net",
    "Trace": "thinktwice.executor.trace",
    "Walk": "thinktwice.executor.walk",
    "BadInput": "thinktwice.errors",
}

__all__ = ["METHODS", "BadInput", "Net", "Trace", "Walk", "__version__", "attend", "load"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'thinktwice' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
