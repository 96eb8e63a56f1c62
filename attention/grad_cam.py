"""Grad-CAM: class activation maps for any net, the feature maps weighted by their mean gradients.

Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM (2017), eq. 1 and 2. Where a net ends in global average pooling and one
classifier, it is CAM, but for the number of positions and the ReLU.
"""

from __future__ import annotations

from ..executor.rules import GRADIENT
from ..layers.arrays import Shape
from .method import Answer, Method, Question, check_plane
from .places import classifier_below, image_blob
from .targets import prior

# What makes no feature maps of its own.
DERIVED = ("Dropout", "Input", "LRN", "Pooling", "Split")


def run(question: Question) -> Answer:
    net, score = question.net, question.score
    at = question.at or last_features(question)
    trace = net.forward({image_blob(net): question.image}, blobs=[score, at], rule=GRADIENT, to=[at])
    check_plane(at, trace.shape(at))
    gradient = net.backward(trace, {score: prior(trace[score], question.targets, question.positions)}, to=[at])[at]
    weights = gradient.mean((-2, -1), keepdims=True)
    return Answer((weights * trace[at]).sum(-3).clip(0, None), at, trace[score])


def last_features(question: Question) -> str:
    """The last convolutional feature map below the classifier, with its ReLU: the deepest blob with more than one position
    that is not a pooled or normalised copy of another."""
    net, graph = question.net, question.net.graph
    shapes = net.shapes(**{image_blob(net): tuple(question.image.shape)})
    classifier = graph.nodes[graph.node(classifier_below(net, question.score))]
    made = [graph.nodes[number] for number in graph.needed_for(classifier.bottoms[:1])]
    features = [graph.blobs[node.tops[0]] for node in made if node.layer.type not in DERIVED]
    spatial = [blob for blob in features if _has_positions(shapes[blob])]
    return spatial[-1] if spatial else image_blob(net)


def _has_positions(shape: Shape | None) -> bool:
    return shape is not None and len(shape) == 4 and shape[2] * shape[3] > 1


METHOD = Method(
    name="grad-cam",
    title="Gradient-weighted class activation map",
    paper="Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks, 2017",
    equation="eq. 1, 2: M = max(sum_k mean_u(dS/df_k(u)) f_k, 0)",
    run=run,
)
