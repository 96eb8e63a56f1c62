"""ImageData: images of a list."""

from __future__ import annotations

from .data_source import DataSource
from .registry import register


@register("ImageData", v1="IMAGE_DATA")
class ImageData(DataSource):
    """Caffe's ImageData layer: images and labels that a text file lists. Refused."""
