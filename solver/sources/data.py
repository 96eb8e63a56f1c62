"""Data: images and labels from an LMDB of Datum messages (src/caffe/layers/data_layer.cpp)."""

from __future__ import annotations

import math
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from ...caffe_models import schema
from ...caffe_models.pictures import decode_pixels
from ...errors import BadInput
from ..data_layer import DataLayer
from ..transformation import Transformation
from .epochs import Epochs, skipped
from .images import stacked


class Data:
    """Tops: images (N, C, H, W), and, if there is a second top, labels (N,).

    Images come in the order of their keys. Raw ones have the channels they were stored with; encoded ones (PNG, JPEG) are
    decoded in colour or grey where ``force_color`` or ``force_gray`` says so, else with their own channels. ``rand_skip`` is heeded
    as in Caffe's first versions. Needs the package lmdb.
    """

    def __init__(self, layer: DataLayer):
        layer.expect_tops(1, 2)
        param = layer.message.data_param
        if param.backend != param.LMDB:
            raise layer.refuse(
                "data_param.backend", "LEVELDB", "LMDB (what is not stated is LEVELDB, which is not read)"
            )
        batch_size = layer.batch_size("data_param")
        self.colour = _forced_colour(layer)
        self.source = layer.find("data_param.source", param.source)
        self.database = _opened(self.source)
        with self.database.begin() as transaction:
            self.keys = [bytes(key) for key in transaction.cursor().iternext(keys=True, values=False)]
        if not self.keys:
            raise BadInput(f"{self.source}: found no records, expected a database of images")
        if param.rand_skip > len(self.keys):
            expected = f"at most the {len(self.keys)} records of {self.source}"
            raise layer.refuse("data_param.rand_skip", param.rand_skip, expected)
        skip = skipped(param.rand_skip, layer.seed)
        self.epochs = Epochs((len(self.keys),), batch_size, False, layer.seed, skip)
        self.transform = Transformation(layer)
        self.labels = len(layer.message.top) == 2
        image, _ = self._record(self.keys[skip])
        self.shapes: list[tuple[int, ...]] = [(batch_size, *self.transform.shape(image.shape))]
        self.shapes += [(batch_size,)] if self.labels else []

    def batch(self, index: int) -> list[np.ndarray]:
        """The tops of batch number ``index``. Raises ``BadInput``."""
        chosen = [(number, self.keys[place]) for number, place in self.epochs.items(index)]
        images, labels, names = [], [], []
        for number, key in chosen:
            image, label = self._record(key)
            names.append(self._where(key))
            images.append(self.transform(image, number, names[-1]))
            labels.append(label)
        return [stacked(images, names), np.array(labels, np.float32)][: len(self.shapes)]

    def _record(self, key: bytes) -> tuple[np.ndarray, int]:
        """The image (C, H, W), uint8 or float32, and the label under a key."""
        with self.database.begin() as transaction:
            content = transaction.get(key)
        try:
            datum = schema.message("Datum").FromString(content)
        except DecodeError:
            raise BadInput(f"{self._where(key)}: is no Datum message, expected one image with its label") from None
        if datum.encoded:
            return decode_pixels(datum.data, self.colour, self._where(key)).transpose(2, 0, 1), datum.label
        return self._raw(datum, key), datum.label

    def _raw(self, datum: Any, key: bytes) -> np.ndarray:
        shape = (datum.channels, datum.height, datum.width)
        pixels = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float32)
        if min(shape) < 1 or pixels.size != math.prod(shape):
            raise BadInput(
                f"{self._where(key)}: found {pixels.size} values, expected channels x height x width of {shape}"
            )
        if self.colour is not None and datum.channels != (3 if self.colour else 1):
            forced = "force_color" if self.colour else "force_gray"
            raise BadInput(f"{self._where(key)}: found {datum.channels} raw channels, which {forced} cannot change")
        return pixels.reshape(shape)

    def _where(self, key: bytes) -> str:
        return f"{self.source}: record {key.decode('utf-8', 'backslashreplace')!r}"


def _forced_colour(layer: DataLayer) -> bool | None:
    """Whether all images are to be in colour, or all grey, or (``None``) each with its own channels."""
    if layer.message.transform_param.force_color or layer.message.data_param.force_encoded_color:
        return True
    return False if layer.message.transform_param.force_gray else None


_DATABASES: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()


def _opened(source: Path) -> Any:
    """The database, opened once for all sources of it: a process may not open one twice."""
    try:
        import lmdb
    except ImportError:
        raise BadInput(
            "lmdb: found it not installed, expected it for Data layers: pip install 'thinktwice[train]'"
        ) from None
    name = os.path.realpath(source)
    if (database := _DATABASES.get(name)) is not None:
        return database
    try:
        database = lmdb.open(name, subdir=source.is_dir(), create=False, readonly=True, lock=False, readahead=False)
    except lmdb.Error as error:
        raise BadInput(f"{source}: is no LMDB that can be read ({str(error).removeprefix(f'{name}: ')})") from None
    file = source / "data.mdb" if source.is_dir() else source
    size = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
    if file.stat().st_size < size:  # reading beyond the end would end the process
        raise BadInput(f"{file}: found {file.stat().st_size} bytes, expected {size}: the database is truncated")
    _DATABASES[name] = database
    return database
