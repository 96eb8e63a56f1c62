"""Text files that list what a layer reads, one item per line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...errors import BadInput

EXACT_IN_FLOAT32 = 2**24  # labels travel as float32


def read_lines(path: Path, what: str) -> Iterator[tuple[int, str]]:
    """The lines that hold something, each with its number from 1. Raises ``BadInput`` where there is none, or no text."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: is no UTF-8 text at byte {error.start}, expected lines of {what!r}") from None
    filled = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not filled:
        raise BadInput(f"{path}: is empty, expected lines of {what!r}")
    yield from filled


def whole_number(text: str, where: str, what: str) -> int:
    """A number that float32 can hold exactly. Raises ``BadInput``."""
    try:
        number = int(text)
    except ValueError:
        raise BadInput(f"{where}: found {text[:80]!r}, expected {what}: a whole number") from None
    if abs(number) > EXACT_IN_FLOAT32:
        raise BadInput(f"{where}: found {number}, expected {what} of at most {EXACT_IN_FLOAT32}")
    return number
