"""SaliencyCut: GrabCut that starts at a map and widens its own doubt around each result.

Cheng, Mitra, Huang, Torr, Hu: Global Contrast based Salient Region Detection (PAMI 2015), §5, which TPAMI (2018) takes in
Procedure 2. Steps and numbers are those of the authors' program; the graph cuts and mixtures of colours are OpenCV's.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..errors import BadInput
from .grabcut import check, cut, mixtures, opencv

BORDER = 0.02  # of the image's sides: never object
SEED = 70 / 255  # saliency in the region to work on,
LEAST_SEED = 0.005  # which weighs more than this share of the image
MARGIN = 20  # pixels around it that are looked at
LEAST_OBJECT = 0.02  # of the pixels looked at
ATTEMPTS, STEP = 4, 0.2  # each with a lower threshold for certain object pixels
ROUNDS, SETTLED = 4, 10  # until fewer pixels change
CUTS, CUTS_SETTLED = 8, 50  # in each round, likewise
LEAST_WEIGHT = 50  # pixels on each side, to learn colours from
LEVELS = 8  # in which a pixel's saliency counts for the object's colours, the rest for the ground's
WIDTH = 5  # pixels to both sides of an outline that are doubted again
SQUARE = np.ones((3, 3), bool)


def saliency_cut(image: np.ndarray, energy: np.ndarray, low: float = 0.1, high: float = 0.9) -> np.ndarray:
    """The mask (H, W), bool, of the object that ``energy`` (H, W) points to in ``image`` (H, W, 3), uint8, RGB.

    The map, smoothed and scaled to 0 ... 1, is certain ground below ``low`` and certain object above ``high``; as long as that
    leads to no object, ``high`` is lowered by 0.2, three times at most. An empty mask is a possible result. Raises ``BadInput``.
    """
    check(image, energy)
    if not 0 <= low < high <= 1:
        raise BadInput(f"saliency-cut: found the thresholds {low} and {high}, expected 0 <= low < high <= 1")
    saliency = _prepared(energy)
    saliency[saliency <= low] = 0
    window, seed = _window(saliency)
    mask = np.zeros(energy.shape, bool)
    if window is None:
        return mask
    inside = _inside(energy.shape)[window]
    for attempt in range(ATTEMPTS):
        found = _object(image[window], saliency[window], seed[window], inside, low, high - attempt * STEP)
        if found.any():
            mask[window] = found
            break
    return mask


def _prepared(energy: np.ndarray) -> np.ndarray:
    """Smoothed, between 0 and 1, and 0 along the border."""
    smooth = opencv().GaussianBlur(energy.astype(np.float64), (9, 9), 0)
    smooth -= smooth.min()
    return smooth / (smooth.max() or 1) * _inside(energy.shape)


def _inside(shape: tuple[int, ...]) -> np.ndarray:
    """Where an image (H, W) is no border."""
    rows, columns = (round(BORDER * side) for side in shape)
    inside = np.zeros(shape, bool)
    inside[rows : shape[0] - rows, columns : shape[1] - columns] = True
    return inside


def _window(saliency: np.ndarray) -> tuple[tuple[slice, slice] | None, np.ndarray]:
    """The rows and columns around the region to work on, and its mask; ``None`` where there is no such region."""
    seed = _heaviest(np.where(saliency > SEED, saliency, 0), LEAST_SEED)
    if not seed.any():
        return None, seed
    rows, columns = ndimage.find_objects(seed.astype(int))[0]
    around = [slice(max(0, one.start - MARGIN), one.stop + MARGIN) for one in (rows, columns)]
    return (around[0], around[1]), seed


def _object(
    image: np.ndarray, saliency: np.ndarray, seed: np.ndarray, inside: np.ndarray, low: float, high: float
) -> np.ndarray:
    """The object in a window (H, W), or an empty mask."""
    cv2 = opencv()
    trimap = np.full(saliency.shape, cv2.GC_PR_BGD, np.uint8)
    trimap[saliency < low], trimap[saliency > high] = cv2.GC_BGD, cv2.GC_FGD
    before, mask = seed, _settled(image, trimap, saliency)
    for _ in range(ROUNDS - 1):
        mask = _heaviest(mask, LEAST_OBJECT)
        if not mask.any() or (mask != before).sum() < SETTLED:
            return mask
        trimap = _doubted(mask, inside)
        before, mask = mask, _settled(image, trimap, trimap != cv2.GC_BGD)
    return _heaviest(mask, LEAST_OBJECT)


def _settled(image: np.ndarray, trimap: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The mask after cuts that learn their colours anew until little changes.

    The first colours are the object's as far as a pixel's ``weight`` goes (0 to 1), for the rest the ground's.
    """
    if min(weight.sum(), (1.0 - weight).sum()) < LEAST_WEIGHT:
        return weight > 0.5
    cv2, pixels = opencv(), image.reshape(-1, 3)
    times = np.rint(LEVELS * weight).astype(int).ravel()
    colours, mode = mixtures(pixels.repeat(times, 0), pixels.repeat(LEVELS - times, 0)), cv2.GC_EVAL_FREEZE_MODEL
    mask = trimap & 1 == 1
    for _ in range(CUTS):
        before = mask
        cut(image, trimap, colours, mode)
        mask, mode = trimap & 1 == 1, cv2.GC_EVAL
        if (mask != before).sum() <= CUTS_SETTLED or mask.all() or not mask.any():
            break
    return mask


def _doubted(mask: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """A trimap with doubt around the mask's outline; a mask too thin for that is kept whole."""
    cv2 = opencv()
    grown = ndimage.binary_dilation(mask, SQUARE, WIDTH) & inside
    core = ndimage.binary_erosion(mask, SQUARE, WIDTH, border_value=1)
    core = (core if core.sum() >= LEAST_WEIGHT else mask) & inside
    trimap = np.full(mask.shape, cv2.GC_BGD, np.uint8)
    trimap[grown], trimap[core] = cv2.GC_PR_FGD, cv2.GC_FGD
    return trimap


def _heaviest(values: np.ndarray, least: float) -> np.ndarray:
    """The mask of the part of positive pixels, touching at their edges, that weighs most; empty if that is not more than a
    share ``least`` of all pixels at 1."""
    parts, number = ndimage.label(values > 0)
    if not number:
        return np.zeros(values.shape, bool)
    weights = np.bincount(parts.ravel(), values.ravel())[1:]
    heaviest = weights.argmax()
    return parts == heaviest + 1 if weights[heaviest] > least * values.size else np.zeros(values.shape, bool)
