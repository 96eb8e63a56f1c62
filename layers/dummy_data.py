"""DummyData: constant or random numbers."""

from __future__ import annotations

from .data_source import DataSource
from .registry import register


@register("DummyData", v1="DUMMY_DATA")
class DummyData(DataSource):
    """Caffe's DummyData layer: constant or random numbers from a filler. Refused."""
