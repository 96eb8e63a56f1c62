"""An object's mask by colour, seeded by a map: where the map is certain, colours are learnt; a graph cut decides the rest.

Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks (2013), §3.2, and the draft of Feedback CNN, §3.4, in nearly
the same words: a map shows only an object's most telling parts; the cut carries them on over equal colours (GrabCut: Rother,
Kolmogorov, Blake, 2004; here OpenCV's, the one part of the package that needs it).
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from scipy import ndimage

from ..errors import BadInput


def grabcut(
    image: np.ndarray, energy: np.ndarray, foreground: float = 0.95, background: float = 0.30, rounds: int = 1
) -> np.ndarray:
    """The mask (H, W), bool, of the object that ``energy`` (H, W) points to in ``image`` (H, W, 3), uint8, RGB.

    Pixels from the ``foreground`` quantile of the map upwards are object, those up to the ``background`` quantile are not,
    where both are equal neither is object: a map of one value gives an empty mask. The colours of these two sets, a mixture
    of Gaussians each, decide about all pixels between in one graph cut, as both papers say; with more ``rounds`` the colours
    are learnt anew from each cut (GrabCut). The largest connected part is the object. Raises ``BadInput``.
    """
    check(image, energy)
    if not 0 <= background < foreground <= 1:
        raise BadInput(
            f"grabcut: found the quantiles {background} and {foreground}, expected 0 <= background < foreground <= 1"
        )
    if rounds < 1:
        raise BadInput(f"grabcut: found {rounds} rounds, expected 1 or more")
    cv2 = opencv()
    low, high = np.quantile(energy, (background, foreground))
    is_object, is_ground = (energy >= high) & (energy > low), energy <= low
    if not is_object.any():
        return np.zeros(energy.shape, bool)
    trimap = np.full(energy.shape, cv2.GC_PR_BGD, np.uint8)
    trimap[is_ground], trimap[is_object] = cv2.GC_BGD, cv2.GC_FGD
    colours = mixtures(image[is_object], image[is_ground])
    cut(image, trimap, colours, cv2.GC_EVAL_FREEZE_MODEL)
    for _ in range(rounds - 1):
        cut(image, trimap, colours, cv2.GC_EVAL)
    return largest(trimap & 1 == 1)


Colours = tuple[np.ndarray, np.ndarray]  # of ground and object: five Gaussians each, as OpenCV stores them


def mixtures(of_object: np.ndarray, of_ground: np.ndarray) -> Colours:
    """The mixtures of Gaussians of two lists of pixels (number, 3), uint8."""
    cv2 = opencv()
    picture = np.concatenate([of_object, of_ground])[None]
    labels = np.full(picture.shape[:2], cv2.GC_BGD, np.uint8)
    labels[:, : len(of_object)] = cv2.GC_FGD
    colours = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # k-means starts from drawn pixels: the same picture must give the same mask
    cv2.grabCut(picture, labels, None, *colours, 0, cv2.GC_INIT_WITH_MASK)
    return colours


def cut(image: np.ndarray, trimap: np.ndarray, colours: Colours, mode: int) -> None:
    """One graph cut: OpenCV's ``trimap`` (H, W), and with GC_EVAL the ``colours`` before it, are changed in place."""
    opencv().grabCut(np.ascontiguousarray(image), trimap, None, *colours, 1, mode)


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest part of a mask (H, W) whose pixels touch at their edges; the first of equals."""
    parts, number = ndimage.label(mask)
    if not number:
        return mask
    return parts == 1 + np.bincount(parts.ravel())[1:].argmax()


def check(image: np.ndarray, energy: np.ndarray) -> None:
    """Raises ``BadInput`` unless there are an RGB image and a finite map of its size."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise BadInput(f"image: found {image.dtype} of shape {image.shape}, expected uint8 (H, W, 3)")
    if energy.shape != image.shape[:2]:
        raise BadInput(f"map: found shape {energy.shape}, expected {image.shape[:2]} as the image")
    if not np.isfinite(energy).all():
        raise BadInput("map: found values that are not finite, expected numbers")


def opencv() -> ModuleType:
    """OpenCV, which only the cuts need. Raises ``BadInput`` that tells how to install it."""
    try:
        import cv2
    except ImportError:
        raise BadInput("OpenCV: found none, expected it for graph cuts: pip install 'thinktwice[segment]'") from None
    return cv2
