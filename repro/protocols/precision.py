"""Average precision: how well scores rank the pictures that show a class above those that do not."""

from __future__ import annotations

import numpy as np


def average_precision(scores: np.ndarray, present: np.ndarray) -> float:
    """One class over pictures: ``scores`` (N,), ``present`` (N,), true where it is there. NaN where it is nowhere.

    VOC's measure since 2010: the area under the curve of precision over recall, precision being made to fall.
    """
    ranked = present[np.argsort(-scores, kind="stable")].astype(bool)
    if not ranked.any():
        return float("nan")
    found = np.cumsum(ranked)
    precision = found / np.arange(1, len(ranked) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(falling[ranked].sum() / found[-1])
