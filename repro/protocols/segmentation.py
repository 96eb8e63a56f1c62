"""Which class each pixel shows, told by the maps of the classes that are known to be there.

Each map, without what is below 0 and divided by its maximum, claims the pixels where it is greatest of all and above a level;
what none claims is background. The level, one for a whole data set, is chosen on the other half of the images. Counted as PASCAL
VOC counts: over all pixels of all images, for each class and the background, intersection over union; then the mean.

Feedback CNN (TPAMI 2018), §4.5, has maps cut out by SaliencyCut instead, which needs no level: ``cut_claims``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...attention.regions import added, class_regions
from .halves import best_of_other_half

LEVELS = tuple(np.arange(1, 20).tolist())  # twentieths of a map's maximum
VOID = 255  # the mask's mark for pixels that do not count

Claims = tuple[
    np.ndarray, np.ndarray
]  # (H, W) each: whose the pixel would be, 0 to K - 1, and from 0 to 1 how strongly


def claims(maps: np.ndarray) -> Claims:
    """Whose map (K, H, W) is greatest, each divided by its maximum, and how great. The first wins a tie."""
    energies = np.maximum(maps, 0)
    greatest = energies.max((-2, -1), keepdims=True)
    energies = energies / np.where(greatest > 0, greatest, 1)
    return energies.argmax(0), energies.max(0)


def cut_claims(image: np.ndarray, maps: np.ndarray, cut: str) -> Claims:
    """The same where GrabCut or SaliencyCut decides, by the colours of ``image`` (H, W, 3), what is an object: 0 or 1."""
    regions = class_regions(image, added([maps]), cut)
    return np.maximum(regions, 1) - 1, (regions > 0).astype(float)


def counts(claimed: Claims, classes: Sequence[int], mask: np.ndarray) -> dict[str, Any]:
    """Pixels of one image, as plain data: of each of ``labels`` those that are so in truth, and for each level those that are
    predicted so, and those that are both.

    ``classes`` (K,): the maps' class numbers. ``mask`` (H, W): 0 for background, class + 1, or ``VOID``. Labels are the mask's.
    """
    winner, strength = claimed
    counted = mask != VOID
    labels = sorted({0, *(int(one) + 1 for one in classes), *np.unique(mask[counted]).tolist()})
    row = np.zeros(256, int)
    row[labels] = np.arange(len(labels))
    true = row[mask[counted]]
    own = row[np.asarray(classes) + 1][winner[counted]]
    above = np.searchsorted(np.array(LEVELS) / 20, strength[counted], side="left")  # so many levels it is above
    shape = (len(labels), len(labels), len(LEVELS) + 1)
    joint = np.bincount(np.ravel_multi_index((true, own, above), shape), minlength=np.prod(shape)).reshape(shape)
    reached = joint[..., ::-1].cumsum(-1)[..., -2::-1]  # at level l: all that is above more than l levels
    predicted, common = reached.sum(0), np.einsum("iil->il", reached).copy()
    truth = joint.sum((1, 2))
    predicted[0] = truth.sum() - predicted.sum(0)
    common[0] = truth[0] - reached[0].sum(0)
    return {
        "labels": labels,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "common": common.tolist(),
    }


def mean_iou(images: Sequence[Mapping[str, Any]], second: np.ndarray) -> float:
    """The mean over classes of intersection over union, from all images' ``counts``; ``second`` (n,): the second half of them.

    Classes that are neither shown nor predicted anywhere are left out. Without images in both halves, not a number.
    """
    truth, predicted, common = _dense(images)

    def quality(some: np.ndarray) -> np.ndarray:
        return _mean_over_classes(truth[some].sum(0)[:, None], predicted[some].sum(0), common[some].sum(0))

    level = best_of_other_half(second, quality)
    if (level < 0).any() or not len(level):
        return float("nan")
    each = np.arange(len(level))
    at = [table[each, :, level].sum(0)[:, None] for table in (predicted, common)]
    return float(_mean_over_classes(truth.sum(0)[:, None], *at)[0])


def _mean_over_classes(truth: np.ndarray, predicted: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Pixels (labels, levels) -> the mean IoU at each level."""
    union = truth + predicted - common
    shares = np.divide(common, union, out=np.zeros(union.shape), where=union > 0)
    return shares.sum(0) / np.maximum((union > 0).sum(0), 1)


def _dense(images: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of all images: truth (n, labels), predicted and common (n, labels, levels)."""
    number = 1 + max((max(image["labels"]) for image in images), default=0)
    truth = np.zeros((len(images), number), int)
    predicted = np.zeros((len(images), number, len(LEVELS)), int)
    common = np.zeros_like(predicted)
    for index, image in enumerate(images):
        for table, key in ((truth, "truth"), (predicted, "predicted"), (common, "common")):
            table[index, image["labels"]] = image[key]
    return truth, predicted, common
