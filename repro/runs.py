"""The rows of a table: methods, each at a blob and under options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..attention.methods import find_method


class Run(NamedTuple):
    """One row of a table: a method, at a blob, under options; as text ``mwp@pool1`` or ``fsp mode=demo iterations=3``."""

    label: str
    method: str
    at: str | None
    options: Mapping[str, Any]

    @classmethod
    def parsed(cls, label: str) -> Run:
        """Raises ``BadInput`` for unknown methods and options."""
        where, *pairs = label.split() or [""]
        method, _, at = where.partition("@")
        options = dict(pair.partition("=")[::2] for pair in pairs)
        values = {name: _value(text) for name, text in options.items()}
        find_method(method).checked(values)
        return cls(label, method, at or None, values)


def parse_runs(text: str) -> list[Run]:
    """Rows separated by commas. Raises ``BadInput``."""
    return [Run.parsed(label.strip()) for label in text.split(",")]


def _value(text: str) -> Any:
    """A number, true, false or null as JSON has it; else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
