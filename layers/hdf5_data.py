"""HDF5Data: data sets of HDF5 files."""

from __future__ import annotations

from .data_source import DataSource
from .registry import register


@register("HDF5Data", v1="HDF5_DATA")
class HDF5Data(DataSource):
    """Caffe's HDF5Data layer: data sets of the HDF5 files that a text file lists. Refused."""
