"""WindowData: windows of images."""

from __future__ import annotations

from .data_source import DataSource
from .registry import register


@register("WindowData", v1="WINDOW_DATA")
class WindowData(DataSource):
    """Caffe's WindowData layer: windows of images that a text file lists (R-CNN). Refused."""
