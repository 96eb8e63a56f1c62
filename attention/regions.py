"""From the maps of several classes to one picture that says of every pixel which class it shows.

TPAMI (2018), §4.5 and Procedure 2: the Summation Energy Map and the FSP-FR energy map, added, are averaged over super-pixels,
cut by SaliencyCut, and where the objects of two classes overlap, the larger energy wins. Two departures: the super-pixels are
SLIC's (the paper takes Dollár and Zitnick's, which follow learnt edges), and any maps and either cut will do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import BadInput, nearest
from ..executor.device import to_numpy
from ..layers.arrays import Array
from .grabcut import grabcut
from .saliency_cut import saliency_cut

CUTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"grabcut": grabcut, "saliency-cut": saliency_cut}
MOST_CLASSES = 254  # the index 255 is the VOC's for "do not care"


def class_regions(image: np.ndarray, energies: np.ndarray, cut: str = "saliency-cut") -> np.ndarray:
    """Which class each pixel shows: (H, W), uint8, 0 for none and k + 1 for the class of ``energies[k]``.

    ``image`` (H, W, 3), uint8, RGB; ``energies`` (K, H, W), on one scale, as ``added`` makes them. Of equal energies the first
    wins. Raises ``BadInput``.
    """
    if cut not in CUTS:
        raise BadInput(f"cut: found {cut!r}, expected one of {list(CUTS)}{nearest(cut, CUTS)}")
    if not 0 < len(energies) <= MOST_CLASSES:
        raise BadInput(f"maps: found {len(energies)}, expected 1 to {MOST_CLASSES}")
    masks = np.stack([CUTS[cut](image, energy) for energy in energies])
    claims = np.where(masks, energies, -np.inf)
    return np.where(masks.any(0), claims.argmax(0) + 1, 0).astype(np.uint8)


def added(maps: Sequence[Array]) -> np.ndarray:
    """The sum of one or several methods' maps (..., H, W), each scaled to unit l2 norm: Procedure 2, step 4."""
    return np.sum([unit_energy(one) for one in maps], axis=0)


def unit_energy(maps: Array) -> np.ndarray:
    """Maps (..., H, W) without what is below 0, scaled to unit l2 norm; where nothing is left, 0."""
    energy = np.maximum(np.asarray(to_numpy(maps), np.float64), 0)
    norm = np.sqrt((energy**2).sum((-2, -1), keepdims=True))
    return energy / np.where(norm > 0, norm, 1)


def over_superpixels(image: np.ndarray, energies: np.ndarray, number: int = 300) -> np.ndarray:
    """Maps (K, H, W), each averaged over about ``number`` super-pixels of the image: Procedure 2, step 5. Raises ``BadInput``."""
    parts = slic(image, number)
    return np.stack([mean_over(parts, energy) for energy in energies])


def slic(image: np.ndarray, number: int, compactness: float = 10, sigma: float = 1) -> np.ndarray:
    """About ``number`` super-pixels of an image (H, W, 3): labels from 0 on, (H, W) (Achanta et al., 2012; scikit-image's).

    ``compactness``: the larger, the squarer; ``sigma``: smoothing before. Raises ``BadInput``.
    """
    try:
        from skimage import segmentation
    except ImportError:
        raise BadInput(
            "scikit-image: found none, expected it for super-pixels: pip install 'thinktwice[segment]'"
        ) from None
    if number < 1:
        raise BadInput(f"superpixels: found {number}, expected 1 or more")
    return segmentation.slic(image, n_segments=number, compactness=compactness, sigma=sigma, start_label=0)


def mean_over(parts: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """A map (H, W) whose value in each part, labels (H, W) from 0 on, is the mean of ``energy`` there."""
    sums, areas = np.bincount(parts.ravel(), energy.ravel()), np.bincount(parts.ravel())
    return (sums / np.maximum(areas, 1))[parts]
