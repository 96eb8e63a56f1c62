"""The training of the embedded model, in small."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.caffe_models.catalogue import find_model
from thinktwice.executor.load import load
from thinktwice.repro.datasets.figure_scenes import pictures
from thinktwice.repro.measure_embedded import input_blob
from thinktwice.repro.train_embedded import descend, train, write


@pytest.fixture(scope="module")
def seen():
    return pictures(1, 0, 32)


def test_training_learns_what_the_deployed_net_then_knows(seen, tmp_path):
    """Sixty steps: more than twice what the commonest class alone would give, on pixels that are no longer scaled."""
    images, labels = seen
    write(train(images, labels, epochs=60, rate=0.02, seed=0), tmp_path)
    model = find_model("figures")
    net = load(model.prototxt, tmp_path / "figures.caffemodel", device="cpu")
    scores = net.forward(data=input_blob(images))["fc5"]
    assert (scores.argmax(1) == labels).mean() > 2 * np.bincount(labels).max() / len(labels)


def test_training_repeats_itself(seen):
    once, again, other = (train(*seen, epochs=2, rate=0.02, seed=seed) for seed in (0, 0, 1))
    for layer, arrays in once.items():
        for index, array in enumerate(arrays):
            np.testing.assert_array_equal(array, again[layer][index])
    assert (once["conv2"][0] != other["conv2"][0]).any()


def test_descent_is_caffes():
    """V = 0.9 V + rate (gradient + 0.0005 W), W = W - V: two steps worked out by hand."""
    parameters, velocity = {"fc": [np.array([2.0])]}, {"fc": [np.array([0.0])]}
    gradients = {"fc": (np.array([1.0]),)}
    descend(parameters, velocity, gradients, 0.1)
    first = 0.1 * (1 + 0.0005 * 2)
    np.testing.assert_allclose(parameters["fc"][0], 2 - first, rtol=1e-6)
    descend(parameters, velocity, gradients, 0.1)
    second = 0.9 * first + 0.1 * (1 + 0.0005 * (2 - first))
    np.testing.assert_allclose(parameters["fc"][0], 2 - first - second, rtol=1e-6)
