"""What is known of each picture by each row of each table, and whether it still holds: kept in a file, line by line.

A result is stamped with the pictures, weights and settings that it came from; it counts only for the same ones.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..attention.methods import find_method
from ..caffe_models.catalogue import Model, find_model
from ..errors import BadInput
from .results import read_results
from .runs import Run
from .scenes_pictures import Picture
from .scenes_scores import KINDS, Settings, Task, asked

ABOUT = ("model", "run", "kind", "picture")  # what a line is about
Results = Mapping[str, Mapping[str, Any]]  # the picture's name -> its numbers


class Known:
    """The results in a file that are about these pictures, weights, rows and settings; others stay in the file, unread."""

    def __init__(
        self,
        path: Path,
        models: Sequence[str],
        runs: Sequence[Run],
        pictures: Sequence[Picture],
        settings: Settings,
    ):
        self.path = path
        self.stamps = _stamps(models, runs, pictures, settings)
        self.results: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
        others = 0
        for record in read_results(path):
            if not record.keys() >= {*ABOUT, "stamp"}:
                raise BadInput(
                    f"{path}: found a result that names no {' or '.join(ABOUT)}, expected this program's results"
                )
            stamp = self.stamps.get(_about(record))
            if stamp == record["stamp"]:
                self._take(record)
            others += stamp not in (None, record["stamp"])
        if others:
            print(f"{path}: {others} results had other pictures, weights or options, and are not used", file=sys.stderr)

    def of(self, model: str, run: Run, kind: str) -> Results:
        """The picture's name -> its numbers."""
        return self.results.get((model, run.label, kind), {})

    def missing(self, model: str, run: Run, kind: str, pictures: Sequence[Picture]) -> list[Picture]:
        return [picture for picture in pictures if picture.path.stem not in self.of(model, run, kind)]

    def taking(self, task: Task, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What a task found, as the lines of the file, and from now on known."""
        records = [self._record(task, *each) for each in zip(task.pictures, found, strict=True)]
        for record in records:
            self._take(record)
        return records

    def _record(self, task: Task, picture: Picture, numbers: Mapping[str, Any]) -> dict[str, Any]:
        about = (task.model, task.run.label, task.kind, picture.path.stem)
        return {**dict(zip(ABOUT, about, strict=True)), "stamp": self.stamps[about], **numbers}

    def _take(self, record: Mapping[str, Any]) -> None:
        *row, picture = _about(record)
        self.results.setdefault(tuple(row), {})[picture] = record


def _about(record: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(record[key] for key in ABOUT)


def _stamps(
    models: Sequence[str], runs: Sequence[Run], pictures: Sequence[Picture], settings: Settings
) -> dict[tuple[Any, ...], str]:
    """What each result would come from, by ``ABOUT``; how maps are scored does not matter to second looks."""
    shown = {picture.path.stem: _picture_digest(picture) for picture in pictures}
    options = {run.label: repr(find_method(run.method).checked(run.options)) for run in runs}
    scored = {"maps": repr(settings), "looks": ""}
    return {
        (model, label, kind, name): _digest(net, own, scored[kind], picture)
        for model in models
        for kind in KINDS
        for net in [_net_digest(find_model(asked(model, kind)))]
        for label, own in options.items()
        for name, picture in shown.items()
    }


def _net_digest(model: Model) -> str:
    return _digest(
        *(path.read_bytes() for path in (model.prototxt, *model.weights)), repr((model.mean, model.order, model.scale))
    )


def _picture_digest(picture: Picture) -> str:
    files = [path.read_bytes() for path in (picture.path, picture.mask) if path]
    return _digest(*files, repr((picture.categories, [boxes.tolist() for boxes in picture.boxes])))


def _digest(*parts: str | bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part.encode() if isinstance(part, str) else part).digest())
    return whole.hexdigest()[:12]
