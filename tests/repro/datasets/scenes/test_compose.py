"""Whole scenes: the same everywhere, masks and boxes that fit what is to be seen, and hard enough to be worth attending to."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from colorsys import rgb_to_hsv

import numpy as np
import pytest

from thinktwice.repro.datasets.scenes import compose
from thinktwice.repro.datasets.scenes.classes import CLASSES, KINDS
from thinktwice.repro.datasets.scenes.compose import PARTS, SIDE, SPLITS, Scene, label_of, scene
from thinktwice.repro.datasets.scenes.drawing import Canvas, Light, Part, View, averaged, extent
from thinktwice.repro.datasets.scenes.exact import Chance
from thinktwice.repro.datasets.scenes.grounds import country, near, room, sea, street, woods
from thinktwice.repro.datasets.scenes.paints import plain
from thinktwice.repro.datasets.scenes.shapes import Polygon
from thinktwice.repro.protocols.difficult import difficult
from thinktwice.repro.protocols.pointing import hits

PINNED = {
    (0, "single", "train", 0): "5431f0a20c5281bb",
    (0, "single", "train", 14999): "f8bcd78ec5af480c",
    (0, "single", "val", 1): "c54660e696a3a37f",
    (0, "single", "test", 2): "9f12a6b913c89946",
    (7, "single", "test", 2): "7cb289d3cd8a4763",
    (0, "multi", "train", 0): "1767b3dfb1c05eb1",
    (0, "multi", "val", 3): "edd007ee7c9d56a6",
    (0, "multi", "test", 5): "040a2b5c4e22a945",
}
FACING = Light((0.0, 0.0, 1.0), 0.2)


@pytest.fixture(scope="module")
def multi() -> list[Scene]:
    return [scene(0, "multi", "test", number) for number in range(60)]


@pytest.fixture(scope="module")
def single() -> list[Scene]:
    return [scene(0, "single", "test", number) for number in range(48)]


def checksum(shown: Scene) -> str:
    return hashlib.sha256(shown.image.tobytes() + shown.mask.tobytes()).hexdigest()[:16]


# -- the same everywhere ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", PINNED, ids=lambda which: "-".join(map(str, which)))
def test_every_pixel_is_pinned(which: tuple[int, str, str, int]) -> None:
    """A change here changes every benchmark: ``EDITION`` must be counted up, and models trained again."""
    assert checksum(scene(*which)) == PINNED[which]


def test_other_vector_units_give_the_same_pixels() -> None:
    """NumPy without all that it can leave away draws the same."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    features = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    if not features:
        pytest.skip("this processor has no vector unit beyond NumPy's baseline")
    program = (
        "from thinktwice.repro.datasets.scenes.compose import scene; import hashlib;"
        "shown = [scene(0, 'single', 'val', n) for n in range(4)] + [scene(0, 'multi', 'val', 0)];"
        "print(hashlib.sha256(b''.join(s.image.tobytes() + s.mask.tobytes() for s in shown)).hexdigest())"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **extra}, capture_output=True, text=True, check=True
        ).stdout
        for extra in ({}, {"NPY_DISABLE_CPU_FEATURES": " ".join(features)})
    ]
    assert len(told[0]) == 65 and told[0] == told[1]


def test_splits_parts_numbers_and_seeds_are_streams_of_their_own() -> None:
    streams = [
        Chance(seed, part, split, number).unit()
        for seed in range(3)
        for part in range(len(PARTS))
        for split in range(len(SPLITS))
        for number in range(200)
    ]
    assert len(set(streams)) == len(streams)
    shown = {checksum(scene(0, "single", split, number)) for split in SPLITS for number in range(3)}
    assert len(shown) == 9


def test_labels_are_known_without_drawing(single: list[Scene]) -> None:
    assert [shown.things[0].label for shown in single] == [label_of(0, "test", number) for number in range(len(single))]
    counts = np.bincount([label_of(0, "train", number) for number in range(3200)], minlength=len(CLASSES))
    assert counts.min() > 140 and counts.max() < 260


# -- masks and boxes --------------------------------------------------------------------------------------------------


def test_boxes_are_the_masks_bounds(single: list[Scene], multi: list[Scene]) -> None:
    for shown in [*single, *multi]:
        assert shown.mask.shape == shown.image.shape[:2] and shown.image.dtype == shown.mask.dtype == np.uint8
        assert set(np.unique(shown.mask)) - {0} == set(range(1, len(shown.things) + 1))
        for number, thing in enumerate(shown.things, start=1):
            rows, columns = np.nonzero(shown.mask == number)
            assert thing.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_a_mask_is_what_is_to_be_seen() -> None:
    """Two squares and a bar, by hand: the second hides a part of the first, the bar a part of both."""
    canvas = Canvas(np.zeros((3, 40, 60)), FACING)

    def square(left: float, top: float, side: float) -> Polygon:
        return Polygon([(left, top), (left + side, top), (left + side, top + side), (left, top + side)])

    colours = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    shapes = square(4, 4, 20), square(16, 10, 20), Polygon([(0, 20), (60, 20), (60, 24), (0, 24)])
    for shape, colour in zip(shapes, colours, strict=True):
        canvas.add([Part(shape, plain(colour), 0.0)], View((0.0, 0.0), 1.0), figure=colour != (0.0, 0.0, 1.0))
    first, second = (averaged(visible) > 0.5 for visible in canvas.visible)
    expected = np.zeros((2, 20, 30), bool)
    expected[0, 2:12, 2:12] = True
    expected[1, 5:15, 8:18] = True
    expected[0, 5:15, 8:18] = False
    expected[:, 10:12] = False
    np.testing.assert_array_equal(first, expected[0])
    np.testing.assert_array_equal(second, expected[1])
    picture = averaged(canvas.colours)
    for mask, channel in ((first, 0), (second, 1)):
        assert (picture[:, mask].argmax(0) == channel).all()


def test_a_mask_moves_with_its_figure() -> None:
    """Drawn a whole pixel further, the same figure covers the same pixels, one further."""
    parts = KINDS["giraffe"].draw(Chance(4))
    covers = []
    for shift in (0, 2):
        canvas = Canvas(np.zeros((3, 120, 120)), FACING)
        covers.append(canvas.add(parts, View((60.0 + shift, 60.0), 40.0)))
    np.testing.assert_allclose(covers[1][:, 2:], covers[0][:, :-2], atol=1e-9)


@pytest.mark.parametrize("name", CLASSES)
def test_figures_fill_their_bounds(name: str) -> None:
    """An object comes out as large as was asked for: its bounds hold all that is drawn, and little more."""
    for pose in range(4):
        c = Chance(17, pose)
        parts = KINDS[name].draw(c)
        view = View((0.0, 0.0), 1.0, c.between(-1, 1) * KINDS[name].turn, c.sign())
        left, top, right, bottom = extent(parts, view)
        scale = 150 / max(right - left, bottom - top)
        canvas = Canvas(np.zeros((3, 170, 170)), FACING)
        covered = canvas.add(parts, view._replace(origin=(10 - left * scale, 10 - top * scale), scale=scale)) > 0.5
        rows, columns = np.nonzero(covered)
        high, wide = (bottom - top) * scale, (right - left) * scale
        assert rows.min() >= 8 and rows.max() <= 11 + high and columns.min() >= 8 and columns.max() <= 11 + wide
        assert max(np.ptp(rows) / high, np.ptp(columns) / wide) > 0.85
        assert covered.sum() > 0.05 * high * wide


# -- what scenes are like ---------------------------------------------------------------------------------------------


def test_single_scenes_show_one_large_object(single: list[Scene]) -> None:
    for shown in single:
        assert shown.image.shape == (SIDE, SIDE, 3)
        (thing,) = shown.things
        left, top, right, bottom = thing.box
        assert 0.3 * SIDE < max(right - left, bottom - top) <= 0.97 * SIDE
        assert thing.seen > 0.5


def test_multi_scenes_show_one_to_four_objects_of_many_sizes(multi: list[Scene]) -> None:
    counts = np.bincount([len(shown.things) for shown in multi], minlength=5)
    assert counts[0] == 0 and counts[1:5].min() > 0 and len(counts) == 5
    shapes = {shown.mask.shape for shown in multi}
    assert {max(shape) for shape in shapes} == {192} and {min(shape) for shape in shapes} == {128, 144, 160}
    assert {shape[0] > shape[1] for shape in shapes} == {True, False}
    assert any(len({thing.label for thing in shown.things}) < len(shown.things) for shown in multi)
    sides = [max(right - left, bottom - top) / min(shown.mask.shape)
             for shown in multi for left, top, right, bottom in (thing.box for thing in shown.things)]  # fmt: skip
    assert min(sides) < 0.25 and max(sides) > 0.65
    seen = [thing.seen for shown in multi for thing in shown.things]
    assert min(seen) < 0.9 and max(seen) == 1


def test_objects_that_hardly_show_are_called_difficult(multi: list[Scene]) -> None:
    for shown in multi:
        for number, thing in enumerate(shown.things, start=1):
            few = np.count_nonzero(shown.mask == number) < compose.FEWEST_PIXELS
            assert thing.difficult == (few or thing.seen < compose.LEAST_SEEN)


def test_who_points_at_the_centre_misses_most_difficult_objects(multi: list[Scene]) -> None:
    found = []
    for shown in multi:
        height, width = shown.mask.shape
        labels = {thing.label for thing in shown.things}
        for label in labels:
            boxes = np.array([thing.box for thing in shown.things if thing.label == label], float)
            if difficult(boxes, (height, width), len(labels)):
                found.append(hits((width / 2, height / 2), boxes))
    assert len(found) > 60
    assert 0.05 < np.mean(found) < 0.45


@pytest.mark.parametrize("draw", [country, near, room, sea, street, woods])
def test_grounds_of_any_size(draw) -> None:
    for number, (height, width) in enumerate([(224, 224), (256, 384), (384, 320), (40, 30)]):
        for again in range(3):
            c = Chance(5, number, again)
            colours = draw(c, height, width, Light.by_chance(c))
            assert colours.shape == (3, height, width) and np.isfinite(colours).all()
            assert colours.std() > 0.01  # never one flat colour


def test_no_class_is_known_by_its_hue() -> None:
    """Whoever is told the mean hue of an object, cut out exactly, and looks for the seven most alike, is mostly wrong."""
    hues, labels = [], []
    for label, name in enumerate(CLASSES):
        for pose in range(24):
            canvas = Canvas(np.zeros((3, 60, 60)), FACING)
            covered = canvas.add(KINDS[name].draw(Chance(2, pose, label)), View((30.0, 30.0), 20.0)) > 0.5
            hues.append(2 * np.pi * rgb_to_hsv(*canvas.colours[:, covered].mean(1))[0])
            labels.append(label)
    places, truth = np.stack([np.cos(hues), np.sin(hues)], 1), np.array(labels)
    apart = ((places[:, None] - places) ** 2).sum(2) + 9 * np.eye(len(places))
    told = np.array([np.bincount(truth[near]).argmax() for near in apart.argsort(1)[:, :7]])
    assert (told == truth).mean() < 0.25
    assert max((told == truth)[truth == label].mean() for label in range(len(CLASSES))) < 0.8
