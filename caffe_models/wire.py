"""The binary wire format, walked by hand, so that weights of any size are read safely and without protobuf's copies.

Protobuf believes what a file announces about itself. Here every length is compared with the bytes that are really there
before memory is taken, and the megabytes of ``blobs`` are cut out, so that protobuf only ever sees a definition.

A message is a row of fields, each led by ``number << 3 | kind``: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import BadInput
from . import schema

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_AXES = 32  # Caffe's kMaxBlobAxes


@dataclass(frozen=True)
class Span:
    """A stretch of a file that holds one message; ``where`` says in words which one."""

    data: memoryview
    start: int
    end: int
    where: str

    def __len__(self) -> int:
        return self.end - self.start

    def within(self, field: Field, what: str) -> Span:
        """The message that a field of this one holds."""
        if field.kind != BYTES:
            raise BadInput(f"{self.where}: {what} is of wire type {field.kind}, expected a message (2)")
        return Span(self.data, field.start, field.end, f"{self.where}: {what}")

    def bytes(self) -> bytes:
        return bytes(self.data[self.start : self.end])

    def forget(self) -> None:
        """Give the pages of a mapped file back: what has been copied need not stay in memory a second time."""
        if isinstance(self.data.obj, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            first = self.start // mmap.PAGESIZE * mmap.PAGESIZE
            self.data.obj.madvise(mmap.MADV_DONTNEED, first, self.end - first)


class Field(NamedTuple):
    number: int
    kind: int  # VARINT, FIXED64, BYTES or FIXED32
    begin: int  # where the field starts, its tag included
    start: int  # where its content starts
    end: int
    value: int  # of a VARINT


def fields(message: Span) -> Iterator[Field]:
    """The fields of a message in file order, none of them reaching beyond it."""
    position = message.start
    while position < message.end:
        begin = position
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        value, start = 0, position
        if kind == VARINT:
            value, end = _varint(message, position)
        elif kind == BYTES:
            length, start = _varint(message, position)
            end = start + length
        elif kind in (FIXED32, FIXED64):
            end = position + (4 if kind == FIXED32 else 8)
        else:
            raise BadInput(f"{message.where}: byte {begin} holds wire type {kind}, which Caffe's files never use")
        if number == 0:
            raise BadInput(f"{message.where}: byte {begin} holds field number 0, which does not exist")
        if end > message.end:
            raise BadInput(
                f"{message.where}: field {number} at byte {begin} announces {end - start} bytes, "
                f"{message.end - start} are left: the file is truncated or damaged"
            )
        yield Field(number, kind, begin, start, end, value)
        position = end


def _varint(message: Span, position: int) -> tuple[int, int]:
    """An unsigned integer of 7 bits per byte, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= message.end:
            raise BadInput(f"{message.where}: ends in the middle of a number at byte {position}: truncated or damaged")
        byte = message.data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), position
    raise BadInput(f"{message.where}: a number at byte {position} is longer than 10 bytes: damaged")


def signed(value: int) -> int:
    """A varint as the int32 or int64 that it stands for."""
    return value - 2**64 if value >= 2**63 else value


# --- the layers of a net ------------------------------------------------------------------------------------


def _numbers(message: str, *names: str) -> tuple[int, ...]:
    by_name = schema.message(message).DESCRIPTOR.fields_by_name
    return tuple(by_name[name].number for name in names)


V2, V1 = _numbers("NetParameter", "layer", "layers")
(V0,) = _numbers("V1LayerParameter", "layer")
# Where name and blobs of a layer are, by the version of the message.
NAME_AND_BLOBS = {
    V2: _numbers("LayerParameter", "name", "blobs"),
    V1: _numbers("V1LayerParameter", "name", "blobs"),
    V0: _numbers("V0LayerParameter", "name", "blobs"),
}


def layer_blobs(net: Span) -> Iterator[tuple[str, list[Span]]]:
    """Name and blobs of every layer of a NetParameter, V0, V1 or V2, in file order."""
    layers = (field for field in fields(net) if field.number in (V2, V1))
    for index, field in enumerate(layers):
        yield _name_and_blobs(net.within(field, f"layer {index}"), field.number)


def _name_and_blobs(layer: Span, version: int) -> tuple[str, list[Span]]:
    name = ""
    blobs: list[Span] = []
    name_number, blob_number = NAME_AND_BLOBS[version]
    for field in fields(layer):
        if field.number == name_number:
            name = _text(layer.within(field, "name"))
        elif field.number == blob_number:
            blobs.append(layer.within(field, f"blob {len(blobs)}"))
        elif version == V1 and field.number == V0:
            inner_name, inner_blobs = _name_and_blobs(layer.within(field, "layer"), V0)
            name = inner_name or name
            blobs.extend(inner_blobs)
    return name, blobs


def _text(span: Span) -> str:
    try:
        return span.bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{span.where} at byte {span.start} is not UTF-8 text: {error.reason}") from None


def without_blobs(net: Span) -> bytes:
    """The same NetParameter without any weights: what protobuf may parse."""
    return b"".join(_strip(net, level=0))


def _strip(message: Span, level: int) -> Iterator[bytes]:
    """The fields of a net (level 0), of its layers (the field's own number) or of the V0 layer inside, except blobs."""
    blobs = NAME_AND_BLOBS[level][1] if level else None
    inside = {0: (V2, V1), V1: (V0,)}.get(level, ())
    for field in fields(message):
        if field.number == blobs:
            continue
        if field.number in inside and field.kind == BYTES:
            content = b"".join(_strip(message.within(field, "layer"), field.number))
            yield _tagged(field.number, BYTES) + _encode(len(content)) + content
        else:
            yield bytes(message.data[field.begin : field.end])


# --- one blob -----------------------------------------------------------------------------------------------

SHAPE, DATA, DOUBLE_DATA, *LEGACY = _numbers(
    "BlobProto", "shape", "data", "double_data", "num", "channels", "height", "width"
)
(DIM,) = _numbers("BlobShape", "dim")


def blob(message: Span) -> np.ndarray:
    """The array of a BlobProto: float32, or float64 where the file has `double_data`; read-only, owned, aligned.

    The shape is the file's own: `shape`, or for older files always (num, channels, height, width). As in Caffe, the
    older fields win where both are there.
    """
    dims: list[int] = []
    legacy: dict[int, int] = {}
    values = {DATA: bytearray(), DOUBLE_DATA: bytearray()}
    for field in fields(message):
        if field.number == SHAPE:
            dims += _dims(message.within(field, "shape"))
        elif field.number in LEGACY and field.kind == VARINT:
            legacy[field.number] = signed(field.value)
        elif field.number in values:
            _collect(message, field, values[field.number], size=8 if field.number == DOUBLE_DATA else 4)
    shape = tuple(legacy.get(number, 0) for number in LEGACY) if legacy else tuple(dims)
    double = len(values[DOUBLE_DATA]) > 0
    array = np.frombuffer(values[DOUBLE_DATA if double else DATA], dtype="<f8" if double else "<f4")
    check_shape(shape, array.size, message.where)
    array = array.astype(array.dtype.newbyteorder("="), copy=False).reshape(shape)
    array.setflags(write=False)
    return array


def check_shape(shape: tuple[int, ...], count: int, where: str) -> None:
    """Refuse a shape that Caffe could not hold, or that does not fit the number of values that are there."""
    told = " x ".join(map(str, shape)) or "()"
    if len(shape) > MAX_AXES:
        raise BadInput(f"{where}: a shape of {len(shape)} axes; Caffe allows {MAX_AXES}")
    if any(dim < 0 for dim in shape):
        raise BadInput(f"{where}: shape {told} has a negative axis")
    if math.prod(shape) != count:
        raise BadInput(f"{where}: shape {told} means {math.prod(shape)} values, found {count}")


def _dims(shape: Span) -> list[int]:
    dims: list[int] = []
    for field in fields(shape):
        if len(dims) > MAX_AXES:
            break  # refused anyway: no endless list
        if field.number != DIM:
            continue
        if field.kind == VARINT:
            dims.append(signed(field.value))
        elif field.kind == BYTES:
            position = field.start
            packed = Span(shape.data, field.start, field.end, shape.where)
            while position < field.end and len(dims) <= MAX_AXES:
                value, position = _varint(packed, position)
                dims.append(signed(value))
    return dims


def _collect(message: Span, field: Field, values: bytearray, size: int) -> None:
    """Add a field's numbers: a packed row of them, or a single one (both forms are legal, and may be mixed)."""
    single = FIXED64 if size == 8 else FIXED32
    if field.kind not in (BYTES, single) or (field.end - field.start) % size:
        raise BadInput(
            f"{message.where}: field {field.number} at byte {field.begin} holds {field.end - field.start} bytes "
            f"of wire type {field.kind}, expected numbers of {size} bytes"
        )
    values += message.data[field.start : field.end]


# --- writing ------------------------------------------------------------------------------------------------


Piece = bytes | memoryview


def encoded_blob(array: np.ndarray) -> list[Piece]:
    """The pieces of a BlobProto: `shape` and packed `data` (`double_data` for float64); the values are not copied."""
    number, dtype = (DOUBLE_DATA, "<f8") if array.dtype == np.float64 else (DATA, "<f4")
    dims = b"".join(_encode(dim) for dim in array.shape)
    shape = _tagged(DIM, BYTES) + _encode(len(dims)) + dims if dims else b""
    values = np.ascontiguousarray(array, dtype=dtype).reshape(-1)
    return [
        _tagged(SHAPE, BYTES) + _encode(len(shape)) + shape + _tagged(number, BYTES) + _encode(values.nbytes),
        values.view(np.uint8).data,
    ]


def encoded_field(number: int, pieces: list[Piece]) -> list[Piece]:
    """The pieces of a message as one field of the message around it."""
    return [_tagged(number, BYTES) + _encode(sum(len(piece) for piece in pieces)), *pieces]


def _tagged(number: int, kind: int) -> bytes:
    return _encode(number << 3 | kind)


def _encode(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
