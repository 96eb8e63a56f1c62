"""Masks from maps, on pictures whose objects are known to the pixel."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from thinktwice.attention import grabcut as graph_cut
from thinktwice.attention import regions, saliency_cut
from thinktwice.errors import BadInput

HEIGHT, WIDTH = 90, 120
Y, X = np.mgrid[:HEIGHT, :WIDTH]
RED, BLUE, GREEN = (200, 40, 40), (40, 60, 200), (60, 150, 70)


@pytest.fixture
def opencv():
    return pytest.importorskip("cv2", reason="OpenCV is not installed (extra `segment`)")


def disc(y, x, radius):
    return (Y - y) ** 2 + (X - x) ** 2 < radius**2


def bump(y, x, width):
    """A map that knows about where, not about how far."""
    return np.exp(-((Y - y) ** 2 + (X - x) ** 2) / (2 * width**2))


def painted(*objects, noise=12, seed=0):
    """A green picture with objects (mask, colour), all with noise."""
    picture = np.broadcast_to(np.array(GREEN, float), (HEIGHT, WIDTH, 3)).copy()
    for mask, colour in objects:
        picture[mask] = colour
    picture += np.random.default_rng(seed).normal(0, noise, picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


DISC = disc(45, 50, 24)
CUTS = [graph_cut.grabcut, saliency_cut.saliency_cut]
PICTURE = painted((DISC, RED))


# --- one object ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("offset", [(0, 0), (-8, 6)])
def test_a_cut_finds_the_outline_that_the_map_does_not_know(opencv, cut, offset):
    hint = bump(45 + offset[0], 50 + offset[1], 12)
    assert overlap(hint > np.quantile(hint, 0.95), DISC) < 0.4
    assert overlap(cut(PICTURE, hint), DISC) > 0.95


@pytest.mark.parametrize("cut", CUTS)
def test_the_same_picture_gives_the_same_mask(opencv, cut):
    hint = bump(45, 50, 12)
    first = cut(PICTURE, hint)
    opencv.setRNGSeed(99)
    assert np.array_equal(cut(PICTURE, hint), first)


@pytest.mark.parametrize("cut", CUTS)
def test_only_the_part_that_the_map_points_to_is_kept(opencv, cut):
    twins = painted((disc(45, 25, 18), RED), (disc(45, 92, 14), RED))
    assert overlap(cut(twins, bump(45, 25, 10)), disc(45, 25, 18)) > 0.95


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("value", [0.0, 3.5])
def test_a_map_of_one_value_points_to_nothing(opencv, cut, value):
    assert not cut(PICTURE, np.full((HEIGHT, WIDTH), value)).any()


@pytest.mark.parametrize("cut", CUTS)
def test_arrays_are_not_changed(opencv, cut):
    hint, picture = bump(45, 50, 12), PICTURE.copy()
    before = hint.copy()
    cut(picture, hint)
    assert np.array_equal(hint, before)
    assert np.array_equal(picture, PICTURE)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
def test_the_scale_of_a_map_does_not_matter(opencv, cut, scale):
    assert np.array_equal(cut(PICTURE, scale * bump(45, 50, 12)), cut(PICTURE, bump(45, 50, 12)))


def test_seeds_are_certain_whatever_their_colour(opencv):
    """A green patch inside the seeds stays object: it is one of them, and touches the rest."""
    hint = bump(45, 50, 12)
    seeds = hint >= np.quantile(hint, 0.95)
    mask = graph_cut.grabcut(painted((DISC, RED), (disc(45, 50, 4), GREEN)), hint)
    assert mask[seeds].all()
    assert not mask[hint <= np.quantile(hint, 0.3)].any()


def test_a_map_that_is_nearly_nowhere_seeds_with_what_it_has(opencv):
    """Fewer than 5 % of the pixels hold anything: the quantile is 0, and 0 is no seed."""
    hint = np.where(disc(45, 50, 6), 1.0, 0)
    assert hint.astype(bool).mean() < 0.05
    mask = graph_cut.grabcut(PICTURE, hint)
    assert mask[hint > 0].all()
    assert not mask[hint == 0].any()  # all others are ground: none is left to decide


def test_more_rounds_learn_colours_that_the_seeds_did_not_hold(opencv):
    """The object's brim is of another colour than all seeds; nearer to them than to the ground."""
    brim = painted((disc(45, 50, 30), (150, 90, 60)), (disc(45, 50, 22), RED))
    hint = bump(45, 50, 12)
    once, often = (graph_cut.grabcut(brim, hint, rounds=rounds) for rounds in (1, 5))
    assert overlap(often, disc(45, 50, 30)) >= overlap(once, disc(45, 50, 30))
    assert often.sum() > 0


def test_five_seeds_are_enough_for_five_gaussians(opencv):
    picture = np.random.default_rng(3).integers(0, 256, (6, 6, 3), np.uint8)
    mask = graph_cut.grabcut(picture, np.arange(36.0).reshape(6, 6))
    assert mask[-1, -1]
    assert not mask[0].any()


@pytest.mark.parametrize("attempts", [1, 3, 4, 5])
def test_saliency_cut_lowers_its_threshold_until_there_is_an_object(opencv, monkeypatch, attempts):
    tried, cut, none = [], saliency_cut._object, np.zeros((1, 1), bool)

    def only_at_last(*given):
        tried.append(given[-1])
        return cut(*given) if len(tried) == attempts else none

    monkeypatch.setattr(saliency_cut, "_object", only_at_last)
    mask = saliency_cut.saliency_cut(PICTURE, bump(45, 50, 12))
    assert tried == pytest.approx([0.9, 0.7, 0.5, 0.3][:attempts])
    assert mask.any() == (attempts <= 4)


def test_saliency_cut_needs_no_certain_pixels(opencv):
    """The brightest pixel lies in a corner, on the border, where no object is: what is left reaches 0.45."""
    hint = 0.45 * bump(45, 50, 20)
    hint[0, 0] = 1 / opencv.getGaussianKernel(9, 0)[4, 0] ** 2  # smoothed, it is 1
    assert saliency_cut._prepared(hint).max() == pytest.approx(0.45, abs=0.01)
    assert overlap(saliency_cut.saliency_cut(PICTURE, hint), DISC) > 0.95


def test_saliency_along_the_border_is_none(opencv):
    hint = np.zeros((HEIGHT, WIDTH))
    hint[:1] = hint[:, -2:] = 1
    assert not saliency_cut.saliency_cut(PICTURE, hint).any()


def test_a_seed_below_half_a_per_cent_is_none(opencv):
    hint = np.zeros((HEIGHT, WIDTH))
    hint[45, 50] = 1  # smoothed it weighs some ten pixels of 10800
    assert not saliency_cut.saliency_cut(PICTURE, hint).any()


def test_the_window_goes_twenty_pixels_around_the_seed():
    saliency = np.zeros((HEIGHT, WIDTH))
    saliency[40:52, 60:70] = 0.9
    saliency[5, 5] = 1
    window, seed = saliency_cut._window(saliency)
    assert window == (slice(20, 72), slice(40, 90))
    assert seed.sum() == 120


def test_doubt_lies_five_pixels_to_both_sides_of_the_outline(opencv):
    mask = np.zeros((60, 60), bool)
    mask[15:45, 20:50] = True
    trimap = saliency_cut._doubted(mask, saliency_cut._inside(mask.shape))
    certain, doubted = trimap == opencv.GC_FGD, trimap == opencv.GC_PR_FGD
    assert certain[20:40, 25:45].all()
    assert certain.sum() == 20 * 20
    assert (certain | doubted)[10:50, 15:55].all()
    assert (certain | doubted).sum() == 40 * 40


def test_a_mask_too_thin_for_doubt_stays_certain(opencv):
    mask = np.zeros((60, 60), bool)
    mask[30, 10:50] = True
    trimap = saliency_cut._doubted(mask, saliency_cut._inside(mask.shape))
    assert np.array_equal(trimap == opencv.GC_FGD, mask)


def test_the_heaviest_part_is_not_the_largest():
    values = np.array([[1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 9, 0], [0, 0, 0, 0, 0, 2.0]])
    assert saliency_cut._heaviest(values, 0).tolist() == (values == 9).tolist()  # corners do not connect
    assert not saliency_cut._heaviest(values, 0.5).any()  # 9 is not more than half of 18
    assert saliency_cut._heaviest(values, 0.49).any()


# --- several classes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", sorted(regions.CUTS))
def test_each_class_has_its_index(opencv, cut):
    left, right = disc(45, 30, 20), disc(45, 88, 20)
    picture = painted((left, RED), (right, BLUE))
    energies = regions.added([np.stack([bump(45, 88, 10), bump(45, 30, 10)])])
    found = regions.class_regions(picture, energies, cut)
    assert found.dtype == np.uint8
    assert set(np.unique(found)) == {0, 1, 2}
    assert overlap(found == 1, right) > 0.95
    assert overlap(found == 2, left) > 0.95


def test_where_objects_overlap_the_larger_energy_wins_and_of_equals_the_first(monkeypatch):
    masks = iter(np.array([[[1, 1, 1, 0, 0]], [[0, 1, 1, 1, 0]], [[0, 0, 1, 0, 0]]], bool))
    monkeypatch.setitem(regions.CUTS, "grabcut", lambda image, energy: next(masks))
    energies = np.array([[[1.0, 2, 2, 9, 9]], [[9, 3, 2, 1, 9]], [[9, 9, 2, 9, 9]]])
    found = regions.class_regions(np.zeros((1, 5, 3), np.uint8), energies, "grabcut")
    assert found.tolist() == [[1, 2, 1, 2, 0]]


def test_a_pixel_without_energy_that_a_cut_takes_in_is_still_its_class(monkeypatch):
    monkeypatch.setitem(regions.CUTS, "grabcut", lambda image, energy: np.ones((1, 3), bool))
    found = regions.class_regions(np.zeros((1, 3, 3), np.uint8), np.array([[[0.0, 1, 0]]]), "grabcut")
    assert found.tolist() == [[1, 1, 1]]


def test_maps_are_added_at_unit_norm():
    a, b = np.array([[[3.0, 4.0]]]), np.array([[[0.0, 200.0]]])
    assert regions.added([a, b]).tolist() == [[[0.6, 1.8]]]
    assert regions.added([a]).tolist() == [[[0.6, 0.8]]]
    assert regions.added([np.zeros((1, 1, 2)), np.array([[[-7.0, 5]]])]).tolist() == [[[0, 1]]]


def test_the_mean_over_a_part_is_the_mean_of_its_pixels():
    parts = np.array([[0, 0, 2], [0, 2, 2]])  # no part has the number 1
    energy = np.array([[1.0, 2, 3], [6, 4, 8]])
    assert regions.mean_over(parts, energy).tolist() == [[3, 3, 5], [3, 5, 5]]


def test_superpixels_keep_the_sum_and_follow_colours():
    pytest.importorskip("skimage", reason="scikit-image is not installed (extra `segment`)")
    parts = regions.slic(painted((DISC, RED), noise=2), 60)
    assert parts.shape == (HEIGHT, WIDTH)
    assert 20 < parts.max() + 1 < 120
    inside = np.bincount(parts.ravel(), DISC.ravel()) / np.bincount(parts.ravel())
    assert (np.minimum(inside, 1 - inside) < 0.1).mean() > 0.9  # nearly all lie on one side of the outline
    energies = np.stack([bump(45, 50, 12), bump(20, 20, 5)])
    averaged = regions.over_superpixels(painted((DISC, RED), noise=2), energies, 60)
    assert np.allclose(averaged.sum((1, 2)), energies.sum((1, 2)), rtol=1e-12)


def test_a_blurred_map_snaps_to_the_object_over_superpixels(opencv):
    pytest.importorskip("skimage", reason="scikit-image is not installed (extra `segment`)")
    energies = regions.over_superpixels(PICTURE, regions.added([bump(45, 50, 14)[None]]), 80)
    assert overlap(regions.class_regions(PICTURE, energies, "saliency-cut") == 1, DISC) > 0.97


# --- bad input ----------------------------------------------------------------------------------------------

PLAIN = np.zeros((4, 5, 3), np.uint8)
FLAT = np.zeros((4, 5))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: graph_cut.grabcut(PLAIN[..., 0], FLAT), "image: found uint8 of shape (4, 5)"),
        (lambda: graph_cut.grabcut(PLAIN.astype(float), FLAT), "image: found float64"),
        (lambda: saliency_cut.saliency_cut(PLAIN, FLAT.T), "map: found shape (5, 4), expected (4, 5)"),
        (lambda: saliency_cut.saliency_cut(PLAIN, FLAT + np.nan), "map: found values that are not finite"),
        (lambda: graph_cut.grabcut(PLAIN, FLAT, 0.3, 0.95), "found the quantiles 0.95 and 0.3"),
        (lambda: graph_cut.grabcut(PLAIN, FLAT, rounds=0), "found 0 rounds"),
        (lambda: saliency_cut.saliency_cut(PLAIN, FLAT, 0.9, 0.1), "found the thresholds 0.9 and 0.1"),
        (lambda: regions.class_regions(PLAIN, FLAT[None], "graphcut"), "nearest known name is 'grabcut'"),
        (lambda: regions.class_regions(PLAIN, FLAT[:0]), "found 0, expected 1 to 254"),
        (lambda: regions.slic(PLAIN, 0), "superpixels: found 0"),
    ],
)
def test_bad_input_is_told(opencv, call, told):
    pytest.importorskip("skimage", reason="scikit-image is not installed (extra `segment`)")
    with pytest.raises(BadInput) as error:
        call()
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("cv2", lambda: graph_cut.grabcut(PLAIN, FLAT)),
        ("cv2", lambda: saliency_cut.saliency_cut(PLAIN, FLAT)),
        ("skimage", lambda: regions.slic(PLAIN, 4)),
    ],
)
def test_a_missing_library_is_told_with_its_remedy(monkeypatch, module, call):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadInput, match=r"pip install 'thinktwice\[segment\]'"):
        call()
