"""The kernels' text: which files it is made of, and a digest that tells whether a build is of this text."""

from __future__ import annotations

import hashlib
from pathlib import Path

HERE = Path(__file__).resolve().parent


def files() -> list[Path]:
    """All that the C++ compiler and NVRTC read."""
    return sorted(path for path in HERE.iterdir() if path.suffix in (".cu", ".h", ".cpp"))


def digest() -> str:
    """16 hexadecimal digits that change with any byte of the text, or a file's name."""
    text = hashlib.sha256()
    for path in files():
        text.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return text.hexdigest()[:16]
