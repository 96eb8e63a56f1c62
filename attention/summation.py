"""The summation energy map: all gated layers' evidence, laid over each other (`summation`).

Feedback CNN (TPAMI 2018), §4.3, after selective pruning. ``mode=paper``: the gradients of the feature maps of all ReLUs
behind convolutions, each through its own gate, resized to the input, summed over channels and layers, clipped at 0,
l2-normalised. ``mode=demo``, the authors' program: gated *activations* of relu4_2 to relu2_1, each layer's channel sum
divided by its maximum, resized, summed, divided by the maximum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import BadInput, nearest
from ..layers.arrays import Array, array_module
from .gated_net import from_inner_product
from .gates import Gated, Gates, Pass
from .maps import normalised, resize
from .method import Answer, Method, Option, Question, chosen
from .places import image_blob
from .selective_pruning import METHOD as PRUNING
from .selective_pruning import MODES as PRUNING_MODES
from .selective_pruning import select

MODES = {
    "paper": {**PRUNING_MODES["paper"], "of": "gradients", "norm": "l2"},
    "demo": {**PRUNING_MODES["demo"], "of": "activations", "norm": "max"},
}
DEMO_LAYERS = ("relu4_2", "relu4_1", "relu3_3", "relu3_2", "relu3_1", "relu2_2", "relu2_1")  # of VGG16


def run(question: Question) -> Answer:
    options = chosen(question.options, MODES)
    gated, gates, passed, curve = select(question, options)
    height, width = question.image.shape[-2:]
    total: Array = 0
    for layer in evidence(passed, gates, summed_gates(gated, options), options["of"]):
        total = total + resize(layer, height, width, "bilinear")
    maps = normalised(total.clip(0, None), options["norm"])
    return Answer(maps, image_blob(question.net), gated.scores, gates, curve)


def summed_gates(gated: Gated, options: Mapping[str, Any]) -> list[str]:
    """The gates whose layers are summed: those named; the program's for VGG16; else all behind convolutions."""
    spatial = {gate.removesuffix("_gates"): gate for gate, x in gated.activations().items() if x.ndim == 4}
    if options["layers"]:
        wanted = [name.strip() for name in options["layers"].split(",")]
        for name in wanted:
            if name not in spatial:
                known = list(spatial)
                raise BadInput(
                    f"layers: found {name!r}, expected ReLUs with rows and columns: {known}{nearest(name, known)}"
                )
        return [spatial[name] for name in wanted]
    if options["mode"] == "demo" and set(DEMO_LAYERS) <= set(spatial):
        return [spatial[name] for name in DEMO_LAYERS]
    graph = gated.net.graph
    convolved = [gate for gate in spatial.values() if not from_inner_product(graph, gated.below(gate))]
    if not convolved:
        raise BadInput(f"score {gated.score!r}: found no ReLU behind a convolution below it, expected layers to sum")
    return convolved


def evidence(passed: Pass, gates: Gates, chosen_gates: Sequence[str], of: str) -> list[Array]:
    """Each layer's map (K, N, h, w): channel sums of z a, or of z x divided by their maximum."""
    sources = passed.contributions() if of == "gradients" else passed.activations()
    layers = [(gates[gate] * sources[gate]).sum(2) for gate in chosen_gates]
    if of == "gradients":
        return layers
    xp = array_module(layers[0])
    highest = [layer.max((-2, -1), keepdims=True) for layer in layers]
    return [layer / xp.where(top == 0, 1, top) for layer, top in zip(layers, highest, strict=True)]


METHOD = Method(
    name="summation",
    title="Summation energy map",
    paper="Cao et al., Feedback CNN, TPAMI 2018, §4.3",
    equation="sum over layers and channels of z a after Algorithm 2",
    run=run,
    options={
        **{name: option for name, option in PRUNING.options.items() if name != "reduce"},
        "of": Option(
            None, "what is summed: gradients (paper) or activations (program)", (None, "gradients", "activations")
        ),
        "layers": Option(None, "ReLU layers, separated by commas; otherwise all behind convolutions"),
        "norm": Option(None, "the map's scale", (None, "l2", "max")),
    },
)
