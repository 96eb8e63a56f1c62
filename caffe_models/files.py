"""Opening, recognizing and replacing files: what a file is decides its content, never its name."""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInput
from .wire import Span

FilePath = str | os.PathLike[str]

TEXT = "text"
BINARY = "binary"  # which may be a protobuf message: these have no signature of their own
HDF5 = "an HDF5 file"
NPY = "a NumPy array (.npy)"

# What people hand over by mistake, by the first bytes.
SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": HDF5,
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"PK\x03\x04": "a ZIP archive (.npz, or weights of PyTorch)",
    b"\x93NUMPY": NPY,
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF document",
    b"\x80\x02": "a Python pickle",
    b"MATLAB": "a MATLAB file",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
    b"<!DOCTYPE": "an HTML page (was a download refused?)",
    b"<html": "an HTML page (was a download refused?)",
}


@contextlib.contextmanager
def mapped(path: FilePath) -> Iterator[Span]:
    """The content of a file, mapped into memory: only what is looked at is read."""
    try:
        with Path(path).open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadInput(f"{path}: is not a regular file")
            if status.st_size == 0:
                raise BadInput(f"{path}: is empty")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping, memoryview(mapping) as view:
                yield Span(view, 0, len(view), str(path))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None


def kind(content: Span) -> str:
    """What a file is: ``TEXT``, ``BINARY``, ``HDF5``, ``NPY``, or in words what else."""
    head = bytes(content.data[: min(len(content), 4096)])
    for signature, name in SIGNATURES.items():
        if head.startswith(signature) and (len(signature) > 2 or not _is_text(head)):
            return name
    return TEXT if _is_text(head) else BINARY


def _is_text(head: bytes) -> bool:
    """No control characters but white space: a protobuf message has some within its first bytes."""
    return not any(byte < 0x20 and byte not in b"\t\n\v\f\r" for byte in head)


@contextlib.contextmanager
def replacing(path: FilePath) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place at the end: a reader never sees half a file, nor does anyone
    after a power cut."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
