"""Every method of ``thinktwice.METHODS`` on the small net, from its definition. ``METHODS`` binds them by name.

A method gets the net's weights, the images and one class, and returns maps (N, H, W).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import excitation, feedback, relevance
from .small_net import Blobs, Weights, below, below_pool1, forward, one_hot, weighted


def gradient(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """max over channels of |dS/dx|: a ReLU passes on what arrives where it was active."""
    return _through_relus(weights, x, target, lambda signal, z: np.where(z > 0, signal, 0))


def guided(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """The gradient, but a ReLU passes on only what is positive, and only where it was active."""
    return _through_relus(weights, x, target, lambda signal, z: np.where((z > 0) & (signal > 0), signal, 0))


def deconvnet(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """The gradient, but a ReLU passes on all that is positive, whatever its input was."""
    return _through_relus(weights, x, target, lambda signal, z: np.where(signal > 0, signal, 0))


def _through_relus(weights: Weights, x: np.ndarray, target: int, relu: Callable) -> np.ndarray:
    blobs = forward(weights, x)
    signal = relu(below("fc", weights, blobs, one_hot(len(x), target)), blobs["conv2"])
    signal = relu(below_pool1(blobs, below("conv2", weights, blobs, signal)), blobs["conv1"])
    return abs(below("conv1", weights, blobs, signal)).max(1)


def mwp(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """Marginal winning probabilities at pool1, channels added."""
    return _mass_at_pool1(weights, forward(weights, x), weights["fc"][0], target).sum(1)


def c_mwp(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """Two sweeps of their own, one for the class and one for its dual, and what the first has more."""
    blobs = forward(weights, x)
    mass = _mass_at_pool1(weights, blobs, weights["fc"][0], target)
    dual = _mass_at_pool1(weights, blobs, -weights["fc"][0], target)
    more = (mass - dual).sum(1)
    return np.where(more > 0, more, 0)


def _mass_at_pool1(weights: Weights, blobs: Blobs, classifier: np.ndarray, target: int) -> np.ndarray:
    (mass,) = excitation.inner_product(one_hot(len(blobs["data"]), target), [blobs["relu2"]], classifier)
    (mass,) = excitation.relu(mass, [blobs["conv2"]])
    (mass,) = excitation.convolution(mass, [blobs["pool1"]], weights["conv2"][0])
    return mass


def cam(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """M(u) = sum_k w_k f_k(u), on the net that ends in an average: f_k are the maps below it."""
    features = np.maximum(weighted("conv1", weights, x), 0)
    maps = np.zeros((len(x), *x.shape[2:]))
    for n, k, i, j in np.ndindex(features.shape):
        maps[n, i, j] += weights["fc"][0][target, k] * features[n, k, i, j]
    return maps


def grad_cam(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """The last feature maps (relu2), each times its mean gradient, added, clamped at 0."""
    blobs = forward(weights, x)
    gradient = below("fc", weights, blobs, one_hot(len(x), target))
    maps = np.zeros((len(x), 2, 2))
    for n, k, i, j in np.ndindex(blobs["relu2"].shape):
        maps[n, i, j] += gradient[n, k].mean() * blobs["relu2"][n, k, i, j]
    return np.where(maps > 0, maps, 0)


METHODS: dict[str, Callable[[Weights, np.ndarray, int], np.ndarray]] = {
    "gradient": gradient,
    "guided": guided,
    "deconvnet": deconvnet,
    "cam": cam,
    "grad-cam": grad_cam,
    "lrp-epsilon": relevance.epsilon,
    "lrp-alphabeta": relevance.alpha_beta,
    "mwp": mwp,
    "c-mwp": c_mwp,
    "feedback": feedback.soft,
    "feedback-hard": feedback.hard,
    "gp": feedback.global_perception,
    "fsp": feedback.pruning,
    "fr": feedback.recovery,
    "fsp-fr": feedback.pruning_then_recovery,
    "summation": feedback.summation,
}
