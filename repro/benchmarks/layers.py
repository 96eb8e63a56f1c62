"""Layers alone, forward and gradient: each as a net of one layer, with the sizes that it has in its own net."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...caffe_models import schema
from ...errors import BadInput
from ...executor.graph import Graph
from ...executor.load import build
from ...executor.net import Net
from ...executor.summary import summarise
from .clock import Run
from .models import Model
from .race import Entry, Race, Row, Setting, run

BOUND = 1e-4  # relative l2
IMAGES = 8
DIRECTIONS = ("forward", "gradient")
PASSING = ("Dropout", "Split", "Flatten", "Reshape")  # nothing is computed there
STANDARD = {  # one layer of each kind and size that matters
    "googlenet": (
        "conv1/7x7_s2",
        "conv1/relu_7x7",
        "pool1/3x3_s2",
        "pool1/norm1",
        "conv2/3x3",
        "inception_3a/1x1",
        "inception_3a/5x5",
        "inception_3a/pool",
        "inception_4e/3x3",
        "inception_5b/1x1",
        "pool5/7x7_s1",
        "loss3/classifier",
    ),
    "vgg16": ("conv1_2", "conv3_2", "conv5_1", "pool1", "fc6"),
}


@dataclass(frozen=True)
class Job:
    """A net of one layer; what its bottoms are given, and for the gradient what arrives at its tops, else nothing."""

    net: Net
    inputs: dict[str, Any]
    signals: dict[str, Any]

    @property
    def tops(self) -> list[str]:
        return self.net.outputs


def entries(setting: Setting, model: Model | None = None) -> Iterator[Entry]:
    """Forward, and where a layer has one, gradient: of the standard layers, or of all of a model's that differ."""
    models = [(model, _different(_graph(model)))] if model else [(Model(net), names) for net, names in STANDARD.items()]
    for own, layers in models:
        graph = _graph(own)
        for layer in layers:
            for direction in DIRECTIONS[: 1 + graph.nodes[graph.node(layer)].layer.differentiable]:
                yield f"{own.name} {layer} {direction}", partial(_row, own, layer, direction, setting)


def _different(graph: Graph) -> list[str]:
    """The layers that are like no earlier one."""
    shapes, seen, chosen = graph.shapes(), set(), []
    for node in graph.nodes:
        if not (node.bottoms and node.tops) or node.layer.type in PASSING:
            continue
        options = type(node.layer.message)()
        options.CopyFrom(node.layer.message)
        for field in ("name", "bottom", "top", "param"):
            options.ClearField(field)
        key = (options.SerializeToString(deterministic=True), *(shapes[value] for value in node.bottoms))
        if key not in seen:
            seen.add(key)
            chosen.append(node.layer.name)
    return chosen


def _graph(model: Model) -> Graph:
    return Graph(model.message(), model.prototxt or model.name)


def _row(model: Model, layer: str, direction: str, setting: Setting) -> Row:
    net = layer_net(model, layer, setting)
    about = {"net": model.name, "layer": layer, "type": net.graph.nodes[-1].layer.type, "images": IMAGES}
    return {**about, "direction": direction, **run(race_of(net, direction, setting), setting)}


def layer_net(model: Model, layer: str, setting: Setting, images: int = IMAGES) -> Net:
    """The net of one layer of a model, with inputs in the place of what lies below, and random weights. Raises ``BadInput``."""
    graph = _graph(model)
    node, shapes = graph.nodes[graph.node(layer)], graph.shapes()
    alone = schema.new("NetParameter", name=layer)
    for value in dict.fromkeys(node.bottoms):
        shape = shapes[value]
        if shape is None:
            raise BadInput(
                f"{graph.source}: layer {layer!r}: found no shape of its bottom, expected inputs with shapes"
            )
        blob = graph.blobs[value]
        alone.layer.add(name=f"{blob} alone", type="Input", top=[blob]).input_param.shape.add(dim=(images, *shape[1:]))
    alone.layer.add().CopyFrom(node.layer.message)
    return build(alone, source=layer, device=setting.device.name, seed=setting.seed)


def race_of(net: Net, direction: str, setting: Setting) -> Race:
    job, summary = job_of(net, direction, setting.seed), summarise(net.graph)
    images = next(iter(job.inputs.values())).shape[0]
    multiply_adds = images * (summary.multiply_adds or 0)
    theirs = [peer.layer_ways(job) for peer in setting.peers.values()]
    return Race(
        ours=ours(job),
        bound=BOUND,
        peers={label: way for ways in theirs for label, way in ways.items()},
        operations=2 * multiply_adds or None,
        bytes=None if multiply_adds else _bytes(net),
    )


def job_of(net: Net, direction: str, seed: int = 0) -> Job:
    """Normal numbers for bottoms and signals: where layers cut at 0 or compare, half are cut and none are equal."""
    rng, shapes = np.random.default_rng(seed), net.shapes()

    def random(blob: str) -> Any:
        return net.array(blob, rng.standard_normal(shapes[blob], np.float32))

    inputs = {blob: random(blob) for blob in net.inputs}
    return Job(net, inputs, {blob: random(blob) for blob in net.outputs} if direction == "gradient" else {})


def ours(job: Job) -> Run:
    """Our way to the first top, or to the signal at the first bottom."""
    net, top, bottom = job.net, job.tops[0], job.net.inputs[0]
    if not job.signals:
        return lambda: net.forward(job.inputs, blobs=job.tops)[top]
    trace = net.forward(job.inputs, blobs=job.tops, rule="gradient", to=[bottom])
    value = net.graph.given(bottom)
    return lambda: net.backward(trace, job.signals, to=[bottom]).signals[value]


def _bytes(net: Net) -> int:
    """All inputs and outputs once, in single precision; with a gradient, the signals have the same sizes."""
    graph, shapes = net.graph, net.graph.shapes()
    values = [*graph.inputs.values(), *graph.outputs.values()]
    return 4 * sum(math.prod(shapes[value] or ()) for value in values)
