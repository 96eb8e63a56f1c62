"""How the papers average over pairs of an image and a category: each category's share first, then the mean over categories."""

from __future__ import annotations

import numpy as np


def class_mean(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The mean over classes of the mean of ``values`` (n, ...) in each of ``classes`` (n,); without any, not a number."""
    present = np.unique(classes)
    if not len(present):
        return np.full(np.shape(values)[1:], np.nan)
    return np.mean([values[classes == one].mean(0) for one in present], axis=0)
