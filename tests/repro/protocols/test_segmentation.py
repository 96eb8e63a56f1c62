"""Claimed pixels and mean IoU, against loops over pixels."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.repro.protocols.segmentation import LEVELS, VOID, claims, counts, cut_claims, mean_iou


def labelled(maps, classes, level):
    """The label of each pixel, by the definition: the greatest map, if it is above the level; else 0."""
    labels = np.zeros(maps.shape[1:], int)
    for y, x in np.ndindex(*labels.shape):
        best = None
        for map_, one in zip(maps, classes, strict=True):
            value = max(map_[y, x], 0) / max(map_.max(), 1e-300)
            if best is None or value > best[0]:
                best = value, one
        labels[y, x] = best[1] + 1 if best[0] > level / 20 else 0
    return labels


def mean_over_labels(predictions, masks):
    """VOC's measure over a list of images, class by class."""
    shares = []
    for label in range(VOID):
        common = union = 0
        for predicted, mask in zip(predictions, masks, strict=True):
            for p, m in zip(predicted.ravel(), mask.ravel(), strict=True):
                if m != VOID:
                    common += p == label == m
                    union += label in (p, m)
        if union:
            shares.append(common / union)
    return sum(shares) / len(shares)


def example(seed, classes=(4, 1)):
    """Maps in steps of twentieths, so that some pixels lie at levels exactly; a mask with a class no map is for, and void."""
    rng = np.random.default_rng(seed)
    maps = rng.integers(-5, 20, (len(classes), 4, 5)) * 1.0
    maps[:, 0, 0] = 20
    return maps, classes, rng.choice([0, 2, 5, 9, VOID], (4, 5)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_counts_at_every_level(seed):
    maps, classes, mask = example(seed)
    found = counts(claims(maps), classes, mask)
    assert found["labels"] == sorted({0, 2, 5} | set(mask[mask != VOID].tolist()))
    for index, level in enumerate(LEVELS):
        predicted = labelled(maps, classes, level)
        for row, label in enumerate(found["labels"]):
            assert found["truth"][row] == (mask == label).sum()
            assert found["predicted"][row][index] == ((predicted == label) & (mask != VOID)).sum()
            assert found["common"][row][index] == ((predicted == label) & (mask == label)).sum()


def test_maps_without_anything_claim_nothing():
    mask = np.array([[0, 3]], np.uint8)
    found = counts(claims(np.array([[[0.0, -1]]])), [2], mask)
    assert found["predicted"] == [[2] * len(LEVELS), [0] * len(LEVELS)]
    assert found["common"] == [[1] * len(LEVELS), [0] * len(LEVELS)]


def test_each_half_is_judged_at_the_others_best_level():
    examples = [example(seed) for seed in range(4)]
    second = np.array([False, True, False, True])
    best = {}
    for half in (False, True):
        own = [one for one, there in zip(examples, second, strict=True) if there == half]
        values = [
            mean_over_labels([labelled(maps, classes, level) for maps, classes, _ in own], [mask for *_, mask in own])
            for level in LEVELS
        ]
        best[half] = LEVELS[int(np.argmax(values))]
    predictions = [
        labelled(maps, classes, best[not there]) for (maps, classes, _), there in zip(examples, second, strict=True)
    ]
    expected = mean_over_labels(predictions, [mask for *_, mask in examples])
    found = mean_iou([counts(claims(maps), classes, mask) for maps, classes, mask in examples], second)
    assert found == pytest.approx(expected, rel=1e-12)


def test_perfect_maps():
    mask = np.array([[0, 0, 3], [1, 1, 3]], np.uint8)
    maps = np.stack([mask == 1, mask == 3]) * 7.0
    one = counts(claims(maps), [0, 2], mask)
    assert mean_iou([one, one], np.array([False, True])) == 1


def test_without_masks_in_both_halves_there_is_no_mean():
    assert np.isnan(mean_iou([], np.zeros(0, bool)))
    assert np.isnan(mean_iou([counts(claims(np.ones((1, 1, 2))), [0], np.ones((1, 2), np.uint8))], np.array([True])))


def test_cut_by_colour():
    pytest.importorskip("cv2")
    image = np.full((40, 60, 3), 40, np.uint8)
    image[10:30, 5:25], image[10:30, 35:55] = (200, 30, 30), (30, 30, 200)
    image += np.random.default_rng(0).integers(0, 8, image.shape, np.uint8)
    y, x = np.mgrid[0:40, 0:60] + 0.5
    maps = np.stack([1 - np.maximum(abs(x - middle), abs(y - 20)) / 22 for middle in (15, 45)])  # no edges of their own
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 5:25], mask[10:30, 35:55] = 7, 3
    found = counts(cut_claims(image, maps, "grabcut"), [6, 2], mask)
    assert mean_iou([found, found], np.array([False, True])) > 0.95
    assert len({tuple(row) for row in np.transpose(found["predicted"])}) == 1  # no level matters
