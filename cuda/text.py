"""The text of what is compiled: which files of a folder it is made of, and a digest that tells whether a build is of this text."""

from __future__ import annotations

import hashlib
from pathlib import Path

HERE = Path(__file__).resolve().parent


def files(folder: Path | None = None) -> list[Path]:
    """All that the C++ compiler and NVRTC read; of this folder by default."""
    return sorted(path for path in (folder or HERE).iterdir() if path.suffix in (".cu", ".h", ".cpp"))


def digest(folder: Path | None = None) -> str:
    """16 hexadecimal digits that change with any byte of the text, or a file's name."""
    text = hashlib.sha256()
    for path in files(folder):
        text.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return text.hexdigest()[:16]
