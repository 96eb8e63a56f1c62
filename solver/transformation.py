"""From an image to a net's input: Caffe's ``DataTransformer`` (src/caffe/data_transformer.cpp)."""

from __future__ import annotations

import numpy as np

from ..caffe_models.mean import read_mean
from ..errors import BadInput
from .augmentation import Augmentation
from .chance import chance
from .data_layer import DataLayer

Shape = tuple[int, ...]


class Transformation:
    """What a layer's ``transform_param`` does to each of its images: mean, crop, mirror, scale.

    (image - mean) * scale, with the image of ``mean_file`` as large as the uncropped image and taken at the crop's place,
    or one ``mean_value`` for all or each channel. The crop is a square, at random in TRAIN, else from the centre (rounded
    down). With ``mirror``, every other image at random is mirrored, in both phases, as in Caffe. Our ``augmentation_param``
    comes before all of these.
    """

    def __init__(self, layer: DataLayer):
        """Raises ``BadInput``: both kinds of mean, a mean file that cannot be read."""
        param = layer.message.transform_param
        if param.mean_file and param.mean_value:
            raise layer.refuse("transform_param", "mean_file and mean_value", "one of them")
        if param.force_color and param.force_gray:
            raise layer.refuse("transform_param", "force_color and force_gray", "one of them")
        self.crop_size: int = param.crop_size
        self.mirror: bool = param.mirror
        self.scale = np.float32(param.scale)
        self.mean_file = str(layer.find("transform_param.mean_file", param.mean_file)) if param.mean_file else ""
        values = np.array(param.mean_value, np.float32)[:, None, None]
        self.mean = read_mean(self.mean_file) if self.mean_file else values
        self.augmentation = Augmentation.of(layer)
        self.layer = layer

    def shape(self, image: Shape) -> Shape:
        """The shape (C, H, W) that an image of shape (C, H, W) takes."""
        return (image[0], self.crop_size, self.crop_size) if self.crop_size else image

    def __call__(self, image: np.ndarray, number: int, where: str) -> np.ndarray:
        """An image (C, H, W), uint8 or float32, BGR, as float32 of ``shape``; ``number`` draws its chances.

        Raises ``BadInput``, naming the image by ``where``.
        """
        if self.augmentation is not None:
            image = self.augmentation(image, chance(self.layer.seed, "augment", number))
        mirrored, top, left = self._draw(image.shape, number, where)
        rows, columns = slice(top, top + self.shape(image.shape)[1]), slice(left, left + self.shape(image.shape)[2])
        pixels = image[:, rows, columns].astype(np.float32)
        if self.mean.size:
            mean = self._mean(image.shape, where)
            pixels -= mean[:, rows, columns] if self.mean_file else mean
        if self.scale != 1:
            pixels *= self.scale
        return pixels[:, :, ::-1] if mirrored else pixels

    def _draw(self, image: Shape, number: int, where: str) -> tuple[bool, int, int]:
        """Whether to mirror, and the crop's top left corner."""
        height, width = image[1:]
        if min(height, width) < self.crop_size:
            raise BadInput(
                f"{where}: found {width} x {height} pixels, expected at least the {self.crop_size} x {self.crop_size} "
                f"of transform_param.crop_size in {self.layer.where}"
            )
        random_crop = bool(self.crop_size) and self.layer.phase == "TRAIN"
        rng = chance(self.layer.seed, "crop", number) if self.mirror or random_crop else None
        mirrored = self.mirror and rng is not None and bool(rng.integers(2))
        if not self.crop_size:
            return mirrored, 0, 0
        spare = height - self.crop_size, width - self.crop_size
        if random_crop and rng is not None:
            return mirrored, int(rng.integers(spare[0] + 1)), int(rng.integers(spare[1] + 1))
        return mirrored, spare[0] // 2, spare[1] // 2

    def _mean(self, image: Shape, where: str) -> np.ndarray:
        """The mean, if it fits an image of this shape (C, H, W)."""
        if self.mean_file and self.mean.shape != image:
            raise BadInput(
                f"{self.mean_file}: found a mean of {_size(self.mean.shape)} for {where} of {_size(image)}, expected one "
                f"of the images' own size, before any crop"
            )
        if not self.mean_file and len(self.mean) not in (1, image[0]):
            found = f"{len(self.mean)} numbers for {where} of {image[0]} channels"
            raise self.layer.refuse("transform_param.mean_value", found, "one for all channels, or one for each")
        return self.mean


def _size(image: Shape) -> str:
    channels, height, width = image
    return f"{channels} channels of {width} x {height} pixels"
