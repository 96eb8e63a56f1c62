"""A batch of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import BadInput


def stacked(images: Sequence[np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Images (C, H, W) as a batch (N, C, H, W). Raises ``BadInput`` where one is of another shape than the first."""
    for image, name in zip(images, names, strict=True):
        if image.shape != images[0].shape:
            raise BadInput(
                f"{name}: found shape {image.shape}, expected {images[0].shape} as of {names[0]}, the batch's first image: "
                f"crop_size, or ImageData's new_height and new_width, make images of one size"
            )
    return np.stack(images)
