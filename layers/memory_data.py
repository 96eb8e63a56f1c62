"""MemoryData: arrays of the calling program."""

from __future__ import annotations

from .data_source import DataSource
from .registry import register


@register("MemoryData", v1="MEMORY_DATA")
class MemoryData(DataSource):
    """Caffe's MemoryData layer: arrays that the calling program hands over. Refused."""
