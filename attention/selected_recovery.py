"""Feedback CNN: neurons selected by pruning, the object restored from them by recovery (`fsp-fr`).

Feedback CNN (TPAMI 2018), §3.5 and Fig. 5: pruning (FSP) selects the neurons of one middle layer that speak for the target;
then recovery (FR) runs from these neurons, each with a signal of 1, over a fresh pass without gates, down to the image.

A neuron of the layer is selected where its gate is open, it is active, its gradient d after pruning is positive and at
least ``portion`` times the mean of the positive ones. ``simultaneously`` (the paper's figures, portion and ratio 0.1): one
walk from all of them. ``separately`` (portion and ratio 1): one walk per neuron; their energy maps, each of l2 norm 1
(paper, §3.4.1) or maximum 1 (program), are merged by average (paper) or maximum (program). The paper names the layer conv5_2 of VGG16, the program uses conv5_1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadInput, nearest
from ..layers.arrays import Array, array_module
from .gates import Gated, Pass
from .maps import normalised, over_channels
from .method import Answer, Method, Option, Question, chosen
from .places import classifier_below, image_blob
from .recovery import recovery_rule
from .selective_pruning import METHOD as PRUNING
from .selective_pruning import MODES as PRUNING_MODES
from .selective_pruning import select
from .thresholds import threshold

MODES = {
    "paper": {**PRUNING_MODES["paper"], "merge": "average", "norm": "l2", "vgg": "relu5_2"},
    "demo": {**PRUNING_MODES["demo"], "merge": "maximum", "norm": "max", "vgg": "relu5_1"},
}
TOGETHER = {"portion": 0.1, "recovery_ratio": 0.1}
APART = {"portion": 1.0, "recovery_ratio": 1.0}
AT_ONCE = 8  # neurons that one walk carries as targets


def run(question: Question) -> Answer:
    options = chosen(question.options, MODES)
    options = chosen(options, {True: TOGETHER, False: APART}, by="simultaneously")
    gated, gates, passed, curve = select(question, options)
    gate = layer_gate(gated, options)
    neurons = selected(gated, gates[gate], passed, gate, options["portion"])
    recover = together if options["simultaneously"] else apart
    maps = recover(gated, gate, neurons, options)
    return Answer(maps, image_blob(question.net), gated.scores, gates, curve)


def layer_gate(gated: Gated, options: Mapping[str, Any]) -> str:
    """The gate of the chosen layer: VGG16's as published; in other nets the last one below the classifier."""
    names = [gate.removesuffix("_gates") for gate in gated.gates]
    if options["layer"]:
        if options["layer"] not in names:
            raise BadInput(
                f"layer: found {options['layer']!r}, expected a gated ReLU{nearest(options['layer'], names)}"
            )
        return f"{options['layer']}_gates"
    if options["vgg"] in names:
        return f"{options['vgg']}_gates"
    graph = gated.net.graph
    classifier = graph.nodes[graph.node(classifier_below(gated.net, gated.score))]
    below = set(graph.needed_for(classifier.bottoms[:1]))
    spatial = [gate for gate, number in gated.gates.items() if number in below and gated.activations()[gate].ndim == 4]
    if not spatial:
        raise BadInput(
            f"score {gated.score!r}: found no ReLU with rows and columns below its classifier, expected one to select in"
        )
    return spatial[-1]


def selected(gated: Gated, z: Array, passed: Pass, gate: str, portion: float) -> Array:
    """1 at each selected neuron of the layer, else 0: (K, N, C, H, W)."""
    d, x = passed.contributions()[gate], passed.activations()[gate]
    return ((z > 0) & (x > 0) & (d > threshold(d, "mean-positive", portion))).astype(d.dtype)


def together(gated: Gated, gate: str, neurons: Array, options: Mapping[str, Any]) -> Array:
    """One recovery from all selected neurons: maps (K, N, H, W)."""
    return energy(gated, gate, neurons, options)


def apart(gated: Gated, gate: str, neurons: Array, options: Mapping[str, Any]) -> Array:
    """One recovery per selected neuron, ``AT_ONCE`` at a time for all images; normalised energies merged: (K, N, H, W)."""
    xp = array_module(neurons)
    merged = []
    for own in neurons:  # of one target: (N, C, H, W)
        flat = own.reshape(len(own), -1)
        rank = xp.cumsum(flat, 1) * flat  # the 1st, 2nd ... selected neuron of each image
        total = int(rank.max())
        sums = highest = None
        for start in range(0, total, AT_ONCE):
            numbers = xp.arange(start + 1, min(start + AT_ONCE, total) + 1).reshape(-1, 1, 1)
            one_each = (rank == numbers).astype(own.dtype).reshape(-1, *own.shape)
            energies = normalised(energy(gated, gate, one_each, options), options["norm"])
            sums = energies.sum(0) if sums is None else sums + energies.sum(0)
            highest = energies.max(0) if highest is None else xp.maximum(highest, energies.max(0))
        if sums is None:
            sums = highest = xp.zeros((len(own), *gated.image.shape[2:]), own.dtype)
        count = xp.maximum(flat.sum(1), 1).reshape(-1, 1, 1)
        merged.append(sums / count if options["merge"] == "average" else highest)
    return xp.stack(merged)


def energy(gated: Gated, gate: str, neurons: Array, options: Mapping[str, Any]) -> Array:
    """The energy at the image of a recovery from ``neurons`` (K', N, C, H, W): (K', N, H, W)."""
    rule = recovery_rule(gated, {}, {**options, "ratio": options["recovery_ratio"]})
    signal = gated.frozen({}).to_image(rule, {gated.below(gate): neurons})
    return over_channels(signal, options["reduce"])


METHOD = Method(
    name="fsp-fr",
    title="Feedback CNN: selective pruning, then recovery",
    paper="Cao et al., Feedback CNN, TPAMI 2018, §3.5",
    equation="Algorithm 2, then Algorithm 1 from the neurons of one layer that it left open",
    run=run,
    options={
        **PRUNING.options,
        "layer": Option(
            None, "the ReLU whose neurons are selected; VGG16: relu5_2, else the last below the classifier"
        ),
        "simultaneously": Option(True, "one walk from all selected neurons, or one from each", (True, False)),
        "portion": Option(
            None, "t: a selected neuron's least gradient, as a part of the mean positive one", number=float, least=0
        ),
        "recovery_ratio": Option(None, "r of the mean thresholds in recovery", number=float),
        "merge": Option(None, "how energies of separate neurons are merged", (None, "average", "maximum")),
    },
)
