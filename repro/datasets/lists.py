"""Plain lists, one entry to a line."""

from __future__ import annotations

from pathlib import Path

from ...errors import BadInput


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines that hold anything, stripped, with their numbers. Raises ``BadInput``."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}, expected a list") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: is no text, expected a list") from None
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
