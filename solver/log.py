"""A run's log: one JSON object per line and event, the same for a run that was cut off and resumed as for one that was not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from .events import Displayed, Event, Saved, Stepped, Tested

Line = dict[str, Any]


class Log:
    """Lines appended to a file, each written out at once. ``lines`` holds them all.

    Every line has ``iteration`` (updates made before) and ``seconds`` (of training so far). A display has ``loss``, ``lr`` and
    ``outputs``, a test ``test`` (the number of the net) and ``outputs``, a snapshot ``snapshot`` (its state's file),
    the run's ``seed``, and ``recent`` (the losses that the next smoothed loss counts).
    """

    def __init__(self, path: Path, resumed_at: int | None = None):
        """A new file, or what a file has up to the snapshot after ``resumed_at`` updates. Raises ``BadInput``."""
        self.path = path
        self.lines = [] if resumed_at is None else list(_kept(path, resumed_at))
        self._before = self.lines[-1]["seconds"] if self.lines else 0.0
        self._start = time.monotonic()
        try:
            path.write_text("".join(map(_text, self.lines)), encoding="utf-8")
        except OSError as error:
            raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from None

    @property
    def seconds(self) -> float:
        """Of training, all parts of a run that was cut off together."""
        return self._before + time.monotonic() - self._start

    @property
    def last_snapshot(self) -> Line:
        """The line of the last snapshot; empty where there is none."""
        return next((line for line in reversed(self.lines) if "snapshot" in line), {})

    def add(self, event: Event) -> None:
        """Write an event's line; a single step has none."""
        if isinstance(event, Stepped):
            return
        line = {"iteration": event.iteration, **_content(event), "seconds": round(self.seconds, 3)}
        self.lines.append(line)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_text(line))


def _content(event: Displayed | Tested | Saved) -> Line:
    if isinstance(event, Saved):
        return {"snapshot": event.state, "seed": event.seed, "recent": event.recent}
    outputs = {blob: _plain(array) for blob, array in event.outputs.items()}
    if isinstance(event, Displayed):
        return {"loss": event.loss, "lr": _short(event.rate), "outputs": outputs}
    loss = {} if event.loss is None else {"loss": event.loss}
    return {"test": event.net, **loss, "outputs": outputs}


def _short(rate: float) -> float | None:
    """0.01, and not the 0.009999999776482582 that single precision makes of it."""
    return float(str(np.float32(rate))) if np.isfinite(rate) else None


def _plain(array: np.ndarray) -> Any:
    """Numbers as JSON knows them: those that are not finite become null."""
    if array.ndim:
        return [_plain(row) for row in array]
    return float(array) if np.isfinite(array) else None


def _text(line: Line) -> str:
    return json.dumps(line, allow_nan=False) + "\n"


def _kept(path: Path, iteration: int) -> Iterator[Line]:
    """The lines that a run had written when it had saved after ``iteration`` updates; none where there is no log."""
    if not path.exists():
        return
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
            if line["iteration"] > iteration or (line["iteration"] == iteration and "snapshot" not in line):
                return
        except (ValueError, KeyError, TypeError):  # the line that a crash cut in half
            return
        yield line
