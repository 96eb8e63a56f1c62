"""A threshold is never chosen on the images that it is judged on: each half of them takes the other half's best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Quality = Callable[[np.ndarray], np.ndarray]  # a mask (n,) of images -> how good each choice is on them (choices,)


def best_of_other_half(second: np.ndarray, quality: Quality) -> np.ndarray:
    """For each image the number of the choice that is best on the half it is not in: (n,), integers.

    ``second`` (n,) says who is in the second half. Of equally good choices the first is taken. A half that is empty has no
    best choice: then the other one has none either, and all get -1.
    """
    second = np.asarray(second, bool)
    if second.all() or not second.any():
        return np.full(len(second), -1)
    return np.where(second, quality(~second).argmax(), quality(second).argmax())
