"""A whole data set, drawn by several processes: what is there already is left as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....errors import BadInput
from ...parallel import done
from .compose import EDITION
from .layouts import LAYOUTS, write_whole

CHUNK = 20  # pictures that a process draws before it tells of them
ABOUT = "scenes.json"  # says which scenes a folder holds


class Task(NamedTuple):
    """Some pictures of a split."""

    folder: Path
    seed: int
    part: str
    split: str
    numbers: range


def write(folder: Path, seed: int, counts: Mapping[str, Mapping[str, int]], jobs: int = 1) -> None:
    """Draw what is not there yet, and list it all. ``counts``: part -> split -> pictures. Raises ``BadInput``."""
    _same_scenes(folder / ABOUT, seed)
    tasks = [
        Task(folder, seed, part, split, range(start, min(start + CHUNK, count)))
        for part, splits in counts.items()
        for split, count in splits.items()
        for start in range(0, count, CHUNK)
    ]
    _draw_all(tasks, jobs)
    for part, splits in counts.items():
        wanted = {split: count for split, count in splits.items() if count}
        if wanted:  # lists of what was not asked for stay as they are
            LAYOUTS[part](folder / part, seed).finish(wanted)


def draw(task: Task) -> None:
    layout = LAYOUTS[task.part](task.folder / task.part, task.seed)
    for number in task.numbers:
        layout.write(task.split, number)


def _draw_all(tasks: Sequence[Task], jobs: int) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("scenes", total=sum(len(task.numbers) for task in tasks))
        for task, _ in done(draw, tasks, jobs):
            progress.update(bar, advance=len(task.numbers), description=f"{task.part} {task.split}")


def _same_scenes(path: Path, seed: int) -> None:
    """Refuse a folder that holds the scenes of another seed or edition; note in an empty one which these are."""
    about = {"edition": EDITION, "seed": seed}
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else about
    except (OSError, ValueError):
        raise BadInput(f"{path}: is not readable as JSON, expected {json.dumps(about)}") from None
    if found != about:
        raise BadInput(f"{path}: found scenes of {json.dumps(found)}, expected {json.dumps(about)} or another folder")
    write_whole(path, (json.dumps(about) + "\n").encode())
