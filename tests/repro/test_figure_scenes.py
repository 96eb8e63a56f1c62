"""Drawn pictures: the same for the same seed, what the labels say, and boxes that fit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from thinktwice.repro.datasets import figure_scenes
from thinktwice.repro.datasets.figure_scenes import NAMES, SIDE, picture, pictures, scene

# What seed 7 shows, and the mean brightness of each quarter; another Pillow may round a pixel otherwise.
SEED_7 = [
    ("house", (13, 8, 85, 86), [151.8, 156.0, 151.5, 147.6]),
    ("mushroom", (18, 6, 87, 75), [106.2, 118.8, 88.5, 117.0]),
    ("butterfly", (28, 33, 78, 84), [138.3, 125.0, 131.6, 123.1]),
    ("ladybird", (15, 6, 93, 82), [155.3, 135.6, 157.1, 135.0]),
]
SCENE_7_1_3 = [("house", (7, 7, 50, 59)), ("fish", (72, 53, 124, 92)), ("butterfly", (132, 33, 183, 81))]


@pytest.mark.parametrize("index", range(4))
def test_a_seed_means_the_same_picture_everywhere(index):
    shown = picture(7, index)
    name, box, quarters = SEED_7[index]
    assert [(thing.name, thing.box) for thing in shown.things] == [(name, box)]
    np.testing.assert_allclose(
        shown.image.reshape(2, SIDE // 2, 2, SIDE // 2, 3).mean((1, 3, 4)).ravel(), quarters, atol=1
    )


def test_a_scene_has_as_many_different_figures_as_asked_for():
    shown = scene(7, 1, count=3)
    assert shown.image.shape == (144, 192, 3) and shown.image.dtype == np.uint8
    assert [(thing.name, thing.box) for thing in shown.things] == SCENE_7_1_3


def test_pictures_depend_on_seed_and_index_alone():
    images, labels = pictures(7, 1, 3)
    np.testing.assert_array_equal(images[1], picture(7, 2).image)
    assert labels.tolist() == [NAMES.index(name) for name, _, _ in SEED_7[1:3]]
    assert (picture(8, 2).image != images[1]).any()


def test_every_class_appears_about_equally_often():
    labels = pictures(3, 0, 160)[1]
    assert np.bincount(labels, minlength=len(NAMES)).min() >= 8


@pytest.mark.parametrize("index", range(12))
def test_boxes_are_tight_and_inside(index, monkeypatch):
    """Without ground, shadow and noise, whatever differs from the canvas is figure: it must reach to the box's border."""
    nowhere = (255, 0, 255)
    blank = lambda rng, height, width: figure_scenes.Image.new("RGB", (width, height), nowhere)  # noqa: E731
    monkeypatch.setattr(figure_scenes, "ground", blank)
    monkeypatch.setattr(figure_scenes, "_drop_shadow", lambda *_: None)
    monkeypatch.setattr(figure_scenes, "_grain", lambda rng, canvas: np.asarray(canvas))
    shown = scene(7, index, count=1)
    (left, top, right, bottom) = shown.things[0].box
    rows, columns = np.nonzero((shown.image != nowhere).any(2))
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    assert (
        np.abs(found - shown.things[0].box).max() <= 1
    )  # pixels that a figure covers less than half are not in its box
    assert 0 <= left < right <= 192 and 0 <= top < bottom <= 144


@pytest.mark.parametrize("count", [2, 3])
def test_figures_of_a_scene_do_not_hide_each_other(count):
    for index in range(20):
        things = scene(7, index, count).things
        assert len({thing.label for thing in things}) == count
        for thing, other in pairwise(things):
            assert thing.box[2] <= other.box[0]
