"""The model and the scenes that come with the package do what their readme says."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.caffe_models.catalogue import find_model
from thinktwice.executor.load import load_model
from thinktwice.repro.datasets.embedded_scenes import CHOSEN, DEMO_SEED, embedded_scenes
from thinktwice.repro.datasets.figure_scenes import NAMES, scene
from thinktwice.repro.measure_embedded import accuracy, chance, hits_in, pointing

SCENES = embedded_scenes()


@pytest.fixture(scope="module")
def net():
    model = find_model("figures")
    return load_model(model, device="cpu")


def test_labels_are_the_figures_in_their_order():
    assert find_model("figures").class_names == list(NAMES)


def test_held_out_pictures_are_recognized(net):
    assert accuracy(net, 100) >= 0.95


def test_the_scenes_are_those_that_the_generator_draws():
    for shown, (index, count) in zip(SCENES.values(), CHOSEN, strict=True):
        drawn = scene(DEMO_SEED, index, count)
        assert shown.things == drawn.things
        assert np.abs(shown.image.astype(int) - drawn.image).mean() < 1


@pytest.mark.parametrize("file", SCENES)
def test_every_figure_of_the_scenes_is_pointed_at(net, file):
    assert all(hits_in(net, SCENES[file], "c-mwp"))


def test_without_the_contrast_a_mushroom_is_sought_on_the_ladybird(net):
    """Both have spots. What the readme says of the first scene is so."""
    assert hits_in(net, SCENES["ladybird_mushroom.png"], "mwp") == [True, False]


def test_the_contrast_points_better(net):
    """Excitation Backprop's claim: on scenes of several things, the contrastive maps find the one that is asked for."""
    scenes = [scene(2, index, 2) for index in range(40)]
    plain, contrastive = pointing(net, scenes, "mwp"), pointing(net, scenes, "c-mwp")
    assert contrastive > 0.95 > plain > 2 * chance(scenes)
