"""Images scaled and rotated at random: the addition to Caffe's crop and mirror with which Cao et al. fine-tune.

"Feedback Convolutional Neural Network for Visual Localization and Segmentation" (TPAMI 2018), section on semantic
segmentation: "the input images are randomly cropped, mirrored, scaled and rotated". Ranges are not given there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .data_layer import DataLayer


@dataclass(frozen=True)
class Augmentation:
    """Factors (2 enlarges to twice the size) and degrees (counter-clockwise), drawn uniformly from these ranges.

    The image is turned about its centre and keeps its size: what leaves it is cut, and where it ends it is continued by its
    own mirror image. Bilinear, between the four nearest pixels.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    rotation: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, layer: DataLayer) -> Augmentation | None:
        """What a layer's ``augmentation_param`` asks for; nothing in the test phase. Raises ``BadInput``."""
        param = layer.message.augmentation_param
        if not 0.1 <= param.min_scale <= param.max_scale <= 10:
            found = f"scales from {param.min_scale:g} to {param.max_scale:g}"
            raise layer.refuse("augmentation_param", found, "a range within 0.1 to 10")
        if not -180 <= param.min_rotation <= param.max_rotation <= 180:
            found = f"rotations from {param.min_rotation:g} to {param.max_rotation:g} degrees"
            raise layer.refuse("augmentation_param", found, "a range within -180 to 180")
        asked = cls((param.min_scale, param.max_scale), (param.min_rotation, param.max_rotation))
        return asked if layer.phase == "TRAIN" and asked != cls() else None

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """An image (C, H, W), uint8 or float32, as another one of the same shape, float32."""
        return turned(image, rng.uniform(*self.scale), rng.uniform(*self.rotation))


def turned(image: np.ndarray, scale: float, degrees: float) -> np.ndarray:
    """An image (C, H, W) enlarged by ``scale`` and rotated counter-clockwise about its centre, in a frame of its own size."""
    height, width = image.shape[1:]
    cos, sin = math.cos(math.radians(degrees)) / scale, math.sin(math.radians(degrees)) / scale
    reach_x = (abs(cos) * width + abs(sin) * height) / 2  # how far from the centre the frame's corners look
    reach_y = (abs(sin) * width + abs(cos) * height) / 2
    pad_x, pad_y = (max(0, math.ceil(reach - n / 2)) + 1 for reach, n in ((reach_x, width), (reach_y, height)))
    padded = np.pad(image.astype(np.float32), ((0, 0), (pad_y, pad_y), (pad_x, pad_x)), "symmetric")
    # Of a place in the frame, Pillow wants the place in the padded image: both from their corners.
    x, y = width / 2, height / 2
    back = (cos, -sin, x + pad_x - cos * x + sin * y, sin, cos, y + pad_y - sin * x - cos * y)
    planes = [
        Image.fromarray(plane).transform((width, height), Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
        for plane in padded
    ]
    return np.stack([np.asarray(plane) for plane in planes])
