"""What a command says: JSON or tables on stdout, notes and progress on stderr."""

from __future__ import annotations

import json
import math
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

WIDE = 1000  # columns where no terminal says how many there are: nothing is wrapped in a file or a pipe
T = TypeVar("T")


class Output:
    """Made from a command's arguments: ``--json`` chooses JSON, ``--quiet`` leaves notes and progress out."""

    def __init__(self, args: Namespace):
        self.json: bool = args.json
        self.quiet: bool = args.quiet

    def note(self, text: str) -> None:
        """One line that is no result."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def data(self, value: Any) -> None:
        """The result as JSON."""
        print(json.dumps(plain(value), indent=2, allow_nan=False))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
        """The result as a table. A column whose name starts with ``>`` is flushed right."""
        from rich import box
        from rich.table import Table

        if title:
            print(title)  # not the table's own, which is wrapped to its width
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            justify: Any = "right" if column.startswith(">") else "left"
            table.add_column(column.removeprefix(">"), justify=justify, overflow="fold")
        for row in rows:
            table.add_row(*map(str, row))
        self._console(sys.stdout).print(table)

    def text(self, line: str) -> None:
        """A line of the result beside its tables."""
        print(line)

    def progress(self, things: Sequence[T], what: str) -> Iterable[T]:
        """The things one by one, with a bar on stderr while a person looks on."""
        if self.quiet or len(things) < 2 or not sys.stderr.isatty():
            return things
        from rich.progress import track

        return track(things, what, console=self._console(sys.stderr), transient=True)

    @staticmethod
    def _console(stream: Any) -> Any:
        from rich.console import Console

        width = None if stream.isatty() else WIDE
        return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def plain(value: Any) -> Any:
    """A value as JSON knows it: arrays and tuples become lists, numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def dimensions(shape: Sequence[int] | None) -> str:
    """``1x3x227x227``, or ``?`` where a shape is not known."""
    if shape is None:
        return "?"
    return "x".join(map(str, shape)) or "scalar"
