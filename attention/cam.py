"""Class activation maps: where the features are that a class's classifier adds up.

Zhou, Khosla, Lapedriza, Oliva, Torralba: Learning Deep Features for Discriminative Localization (2016), eq. 2. It asks for a net
that ends in an average over positions and one linear classifier, in either order:

    features - average - classifier (GoogLeNet, ResNet)      M(u) = sum_k w_ck f_k(u)
    features - classifier - average (SqueezeNet, NiN)        M(u) = the class's own score at u, whose average is the score
"""

from __future__ import annotations

from typing import Any

from ..errors import BadInput
from ..executor.graph import Node
from ..layers.arrays import Array, array_module
from .method import Answer, Method, Option, Question
from .places import LINEAR, image_blob

PASSING = ("Dropout", "Flatten", "Reshape", "Split")


def run(question: Question) -> Answer:
    net, score = question.net, question.score
    at, classifier = averaged(question)
    if question.at not in (None, at):
        raise BadInput(f"at: found {question.at!r}, expected {at!r}: a class activation map lies below the average")
    trace = net.forward({image_blob(net): question.image}, blobs=[score, at])
    targets = array_module(trace[at]).asarray(question.targets)
    maps = _weighted(trace[at], _weights(question, classifier)[targets]) if classifier else _own(trace[at], targets)
    if question.options["contrastive"]:
        maps = (maps - -maps).clip(0, None)
    return Answer(maps, at, trace[score])


def averaged(question: Question) -> tuple[str, Node | None]:
    """The blob that the net averages over positions, and the classifier if it lies above the average.

    Raises ``BadInput`` for a net that does not end in an average and one classifier.
    """
    graph = question.net.graph
    above = _below(question, graph.final(question.score), PASSING)
    if _averages(above):
        bottom = above.bottoms[0]
        if _below(question, bottom, (*PASSING, "ReLU")).layer.type in LINEAR:
            return graph.blobs[bottom], None
    elif above.layer.type in ("InnerProduct", "Convolution"):
        pool = _below(question, above.bottoms[0], PASSING)
        if _averages(pool):
            return graph.blobs[pool.bottoms[0]], above
    raise BadInput(
        f"method 'cam': score {question.score!r}: found no average over positions next to the classifier, expected a net that "
        "ends in global average pooling and one classifier, in either order; grad-cam does without"
    )


def _below(question: Question, value: int, passing: tuple[str, ...]) -> Node:
    """The maker of a value, below layers that pass numbers on as they are."""
    graph = question.net.graph
    node = graph.nodes[graph.makers[value]]
    while node.layer.type in passing:
        node = graph.nodes[graph.makers[node.bottoms[0]]]
    return node


def _averages(node: Node) -> bool:
    layer: Any = node.layer
    return layer.type == "Pooling" and layer.takes_averages


def _weights(question: Question, classifier: Node) -> Array:
    """The classifier's weights, (classes, feature maps)."""
    layer: Any = classifier.layer
    weights = question.net.params[layer.name][0]
    if layer.type == "InnerProduct" and layer.param.transpose:
        weights = weights.T
    return weights.reshape(len(weights), -1)


def _weighted(features: Array, weights: Array) -> Array:
    """Features (N, C, H, W) under the targets' weights (N, K, C): (K, N, H, W)."""
    if weights.shape[2] != features.shape[1]:
        raise BadInput(
            f"method 'cam': found a classifier of {weights.shape[2]} weights per class over {features.shape[1]} feature maps, "
            "expected one weight for each: an average over all positions"
        )
    return array_module(features).einsum("nkc,nchw->knhw", weights, features)


def _own(scores: Array, targets: Array) -> Array:
    """Each target's own map of scores: (N, classes, H, W) -> (K, N, H, W)."""
    images = array_module(scores).arange(len(scores))[:, None]
    return scores[images, targets].swapaxes(0, 1)


METHOD = Method(
    name="cam",
    title="Class activation map",
    paper="Zhou et al., Learning Deep Features for Discriminative Localization, 2016",
    equation="eq. 2: M(u) = sum_k w_ck f_k(u)",
    run=run,
    options={
        "contrastive": Option(
            False,
            "True: minus the dual class's map, clamped at 0 ('c-CAM', Zhang et al., 2016, Table 2): the positive part, doubled",
            (False, True),
        )
    },
)
