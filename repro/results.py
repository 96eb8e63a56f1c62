"""Results that outlive a run that was stopped: one JSON line each, in the file as soon as it is known."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BadInput

Append = Callable[[Iterable[Mapping[str, Any]]], None]


def read_results(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a file, none where there is no file. Raises ``BadInput`` for a line that is no result."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8") as lines:
            return [_result(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.endswith("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: found no readable results ({error}), expected one JSON object on each line") from None


@contextmanager
def appending(path: Path) -> Iterator[Append]:
    """A function that adds results to a file; what a run that was killed wrote of its last line is cut off first.

    Raises ``BadInput``.
    """
    try:
        if path.exists():
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
        opened = path.open("a", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: found no place for results ({error}), expected a file that can be written") from None
    with opened as file:

        def append(results: Iterable[Mapping[str, Any]]) -> None:
            file.write("".join(json.dumps(result) + "\n" for result in results))
            file.flush()

        yield append


def _result(line: str, where: str) -> dict[str, Any]:
    try:
        result = json.loads(line)
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise BadInput(f"{where}: found {line.strip()[:40]!r}, expected a result: one JSON object")
    return result
