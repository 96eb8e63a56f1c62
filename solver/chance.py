"""Everything random on the way in is a pure function of (seed, purpose, number): no state to save, none to lose."""

from __future__ import annotations

import numpy as np


def chance(seed: int, purpose: str, number: int) -> np.random.Generator:
    """A generator for one purpose ("shuffle", "crop") and one number (of an epoch, or of an item counted over all epochs)."""
    return np.random.default_rng([seed, int.from_bytes(purpose.encode()), number])
