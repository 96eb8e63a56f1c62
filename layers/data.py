"""Data: records of a database."""

from __future__ import annotations

from .data_source import DataSource
from .registry import register


@register("Data", v1="DATA")
class Data(DataSource):
    """Caffe's Data layer: records of an LMDB or LevelDB database. Refused."""
