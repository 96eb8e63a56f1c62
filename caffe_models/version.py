"""Which of Caffe's three formats a definition is written in."""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format

from . import files, schema
from .files import FilePath
from .wire import without_blobs


def format_version(path: FilePath) -> str:
    """``V0``, ``V1`` or ``V2`` for a definition that ``read_net`` accepts, text or binary."""
    net: Any = schema.new("NetParameter")
    with files.mapped(path) as content:
        if files.kind(content) == files.TEXT:
            text_format.Parse(content.bytes().decode("utf-8-sig"), net)
        else:
            net.ParseFromString(without_blobs(content))
    if any(layer.HasField("layer") for layer in net.layers):
        return "V0"
    return "V1" if net.layers else "V2"
