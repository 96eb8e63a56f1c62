"""What a person sees of a run: lines as Caffe logs them, and a bar with loss, rate and time left where there is a terminal."""

from __future__ import annotations

import sys
from typing import Any

from ..solver.events import Displayed, Event, Saved, Stepped, Tested
from ..solver.solver import Solver
from .output import Output


class TrainingProgress:
    """A context: while it is entered, ``show`` tells events on stderr; nothing under ``--quiet``."""

    def __init__(self, solver: Solver, output: Output):
        self.quiet = output.quiet
        self._bar: Any = None
        if self.quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("loss {task.fields[loss]}  rate {task.fields[rate]}"), BarColumn(), MofNCompleteColumn())
        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
        self._task = self._bar.add_task(
            "train", total=solver.param.max_iter, completed=solver.iteration, loss="-", rate=f"{solver.rate:.3g}"
        )

    def __enter__(self) -> TrainingProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, event: Event, seconds: float) -> None:
        """One event; ``seconds`` of training have passed."""
        if self.quiet:
            return
        if not isinstance(event, Stepped):
            for line in _lines(event, seconds):
                self._tell(line)
        elif self._bar:
            told = {"loss": f"{event.loss:.4f}", "rate": f"{event.rate:.3g}"}
            self._bar.update(self._task, completed=event.iteration, **told)

    def _tell(self, line: str) -> None:
        if self._bar:
            self._bar.console.print(line)
        else:
            print(line, file=sys.stderr, flush=True)


def _lines(event: Displayed | Tested | Saved, seconds: float) -> list[str]:
    if isinstance(event, Saved):
        return [f"Snapshot: {event.state}"]
    if isinstance(event, Displayed):
        head = f"Iteration {event.iteration}, loss = {event.loss:.6g}, lr = {event.rate:.6g} ({seconds:.1f} s)"
        what = "Train net output"
    else:
        loss = "" if event.loss is None else f", loss = {event.loss:.6g}"
        head, what = f"Iteration {event.iteration}, Testing net (#{event.net}){loss}", "Test net output"
    numbers = [(blob, value) for blob, array in event.outputs.items() for value in array.reshape(-1)]
    return [head, *(f"    {what} #{i}: {blob} = {value:.6g}" for i, (blob, value) in enumerate(numbers))]
