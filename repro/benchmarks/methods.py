"""Whole methods on whole nets: forward passes, gradients, excitation backprop and feedback, as a user calls them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ...attention.attend import ask, attend
from ...attention.methods import find_method
from ...attention.places import excitation_blob, image_blob
from ...attention.targets import score_blob
from ...executor.crosscheck import random_inputs
from ...executor.device import to_numpy
from ...executor.net import Net
from ...executor.summary import summarise
from .clock import Run
from .memory import peak_memory
from .models import Model
from .race import OURS, Entry, Race, Row, Setting, run

ITERATIONS = 10  # of feedback
# Relative l2. In single precision a ReLU or a switch that flips at a near tie changes a gradient in places, and a gate that flips
# early in a loop changes all that follows; in double precision, where nothing flips, tests/peers asks for 1e-9.
BOUNDS = {"forward": 1e-4, "gradient": 2e-2, "mwp": 1e-3, "feedback": 0.5}
WORDS = {"forward": "forward", "gradient": "forward + gradient", "mwp": "mwp", "feedback": f"feedback x {ITERATIONS}"}


@dataclass(frozen=True)
class Case:
    """One method on one net, for so many images and classes at once. ``memory``: its peak memory is asked for, too."""

    model: Model
    method: str
    images: int = 1
    targets: int = 1
    memory: bool = False

    @property
    def name(self) -> str:
        several = f", {self.targets} targets" if self.targets > 1 else ""
        return f"{self.model.name} {WORDS[self.method]}, batch {self.images}{several}"


@dataclass(frozen=True)
class Job:
    """A case with its net open: ``image`` (N, C, H, W), class indices ``targets``, the blob of scores, and for ``mwp`` the blob
    ``at`` which the map is read."""

    net: Net
    method: str
    image: Any
    targets: tuple[int, ...]
    score: str
    at: str = ""
    iterations: int = ITERATIONS


def entries(setting: Setting, model: Model | None = None) -> Iterator[Entry]:
    """The standard cases, or the same questions to one model; cases of one net, one after the other, share it."""
    opened: dict[Model, Net] = {}
    for case in cases_of(model) if model else standard_cases(setting.seed):
        yield case.name, partial(_row, case, opened, setting)


def standard_cases(seed: int = 0) -> list[Case]:
    """What is asked of VGG16, GoogLeNet and SqueezeNet at 224 x 224."""
    vgg, inception, squeeze = (Model(name, seed=seed) for name in ("vgg16", "googlenet", "squeezenet"))
    return [
        Case(vgg, "forward", 1),
        Case(vgg, "forward", 8),
        Case(vgg, "gradient", 8),
        Case(vgg, "mwp", 1),
        Case(vgg, "mwp", 1, targets=8),
        Case(vgg, "mwp", 8, memory=True),
        Case(inception, "forward", 1),
        Case(inception, "forward", 8),
        Case(inception, "gradient", 1),
        Case(inception, "gradient", 8),
        Case(inception, "mwp", 1),
        Case(inception, "mwp", 1, targets=8),
        Case(inception, "feedback", 1),
        Case(squeeze, "feedback", 1),
    ]


def cases_of(model: Model) -> list[Case]:
    """The same questions to any net."""
    batches = [Case(model, method, images) for method in ("forward", "gradient") for images in (1, 8)]
    attention = [Case(model, "mwp", 1), Case(model, "mwp", 1, targets=8), Case(model, "mwp", 8, memory=True)]
    return [*batches, *attention, Case(model, "feedback", 1)]


def _row(case: Case, opened: dict[Model, Net], setting: Setting) -> Row:
    if case.model not in opened:
        opened.clear()
        opened[case.model] = case.model.open(setting.device.name)
    job = job_of(case, opened[case.model], setting.seed)
    row = run(race_of(job, setting), setting)
    if case.memory and row["agrees"]:
        row["peak_memory"] = {way: peak_memory(case, way, setting) for way in (OURS, *row["ratios"])}
    about = {"net": case.model.name, "method": case.method, "images": case.images, "targets": len(job.targets)}
    return {**about, "at": job.at or None, **row}


def race_of(job: Job, setting: Setting) -> Race:
    theirs = [peer.method_ways(job) for peer in setting.peers.values()]
    return Race(
        ours=ours(job),
        bound=BOUNDS[job.method],
        peers={label: way for ways in theirs for label, way in ways.items()},
        yardsticks=_yardsticks(job),
        operations=_operations(job),
    )


def job_of(case: Case, net: Net, seed: int = 0) -> Job:
    """Random images. The targets are the classes that the first of them has most of: others may have no gradient at all."""
    image, score = image_blob(net), score_blob(net)
    shape = net.shapes()[image]
    shapes = {image: (case.images, *shape[1:])} if shape else {}
    x = net.array(image, random_inputs(net, seed, shapes)[image])
    scores = to_numpy(net.forward({image: x[:1]}, blobs=[score])[score])
    best = np.argsort(-scores.reshape(*scores.shape[:2], -1).max(-1)[0], kind="stable")
    at = excitation_blob(ask(net, x, [0], find_method("mwp"))) if case.method == "mwp" else ""
    return Job(net, case.method, x, tuple(map(int, best[: case.targets])), score, at)


def ours(job: Job) -> Run:
    """Our way to a job's result: scores (N, classes), a gradient (N, C, H, W), or maps (N, K, h, w)."""
    net, score, data = job.net, job.score, image_blob(job.net)
    if job.method == "forward":
        return lambda: net.forward({data: job.image}, blobs=[score])[score]
    if job.method == "mwp":
        return lambda: attend(net, job.image, job.targets, "mwp", at=job.at).map
    if job.method == "feedback":
        return lambda: attend(net, job.image, job.targets, "feedback", iterations=job.iterations).map

    def gradient() -> Any:
        trace = net.forward({data: job.image}, blobs=[score], rule="gradient", to=[data])
        return net.backward(trace, {score: signal}, to=[data]).signals[net.graph.given(data)]

    signal = _one_hot(job)
    return gradient


def _one_hot(job: Job) -> Any:
    """1 at the first target's score, at each of its positions: (N, classes, ...)."""
    shape = job.net.shapes(**{image_blob(job.net): tuple(job.image.shape)})[job.score] or ()
    signal = np.zeros(shape, job.net.dtype)
    signal[:, job.targets[0]] = 1
    return job.net.array(job.score, signal)


def _yardsticks(job: Job) -> dict[str, tuple[int, Run]]:
    if job.method == "mwp" and len(job.targets) > 1:
        return {"one target": (1, ours(replace(job, targets=job.targets[:1])))}
    if job.method == "mwp":
        return {"our forward": (1, ours(replace(job, method="forward")))}
    if job.method == "feedback":
        return {f"{ITERATIONS} x (forward + gradient)": (ITERATIONS, ours(replace(job, method="gradient")))}
    return {}


def _operations(job: Job) -> int | None:
    """Those of the layers' definitions: a forward pass, and as many again for the gradient to the image."""
    summary = summarise(job.net.graph, {image_blob(job.net): tuple(job.image.shape)})
    passes = {"forward": 1, "gradient": 2}.get(job.method)
    if passes is None or summary.multiply_adds is None:
        return None
    return 2 * passes * len(job.image) * summary.multiply_adds
