"""The one error a person sees: bad input, told in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BadInput(ValueError):
    """What was given cannot be used. The message is one line: file, field, what was found, what was expected."""

    def __init__(self, message: str):
        super().__init__(" ".join(str(message).split()))


def names(what: str, given: Iterable[str]) -> tuple[str, ...]:
    """Several names as a tuple. Raises ``BadInput`` for a text, which Python would take for its letters."""
    if isinstance(given, str):
        raise BadInput(f"{what}: found the text {given!r}, expected several names, as in [{given!r}]")
    return tuple(given)


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; the nearest known name is 'Pooling'"`` for ``"Poolin"``, or nothing when no known name is near."""
    known = sorted(known)
    folded = {other.lower(): other for other in known}
    matches = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    return f"; the nearest known name is {folded[matches[0]]!r}" if matches else ""
