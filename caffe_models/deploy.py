"""A training definition (train_val.prototxt) as one that is fed by hand: data layers become inputs, labels go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import schema

DATA_LAYERS = {"Data", "ImageData", "WindowData", "HDF5Data", "MemoryData", "DummyData"}
OWN_PARAM = {
    "Data": "data_param",
    "ImageData": "image_data_param",
    "WindowData": "window_data_param",
    "MemoryData": "memory_data_param",
}

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Notes:
    """What a deploy view left out, assumed, and could not know: one line each, for a person to read."""

    left_out: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def deploy_view(net: Any, labels: bool = False) -> tuple[Any, Notes]:
    """A net of one state (``for_state``) with an Input layer for every top of its data layers.

    The shape is what the file tells: batch_size, crop_size or new_height and new_width, and the channels. Where it tells
    none, the Input has no shape and ``Notes.unknown`` says so. ``transform_param`` (mean, scale) stays with the Input.

    A data top that only losses and Accuracy read is a label. ``labels=False``: it is left out, with all layers that need
    it, each named in the notes. ``labels=True``: all stay, and the label is an input of shape (N,). Nets whose inputs are
    Input layers already keep them all.
    """
    told = _Told()
    layers: list[Any] = []
    gone: dict[str, str] = {}  # blob -> why it is no more
    for layer in net.layer:
        if layer.type in DATA_LAYERS:
            for index, top in enumerate(layer.top):
                if not labels and _is_label(top, net):
                    gone[top] = "a label"
                    told.left_out.append(f"blob {top!r}: a label of {layer.type} layer {layer.name!r}")
                else:
                    layers.append(_input(layer, index, told))
        elif needed := [bottom for bottom in layer.bottom if bottom in gone]:
            gone.update(dict.fromkeys(layer.top, f"a top of {layer.name!r}"))
            told.left_out.append(f"layer {layer.name!r} ({layer.type}): needs {needed[0]!r}, {gone[needed[0]]}")
        else:
            layers.append(layer)
    return schema.with_layers(net, layers), told.notes()


@dataclass
class _Told:
    left_out: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def notes(self) -> Notes:
        return Notes(tuple(self.left_out), tuple(self.assumed), tuple(self.unknown))


def _is_label(top: str, net: Any) -> bool:
    """Whether nothing but losses and measures reads a data top."""
    readers = [layer.type for layer in net.layer if top in layer.bottom]
    return all(kind.endswith("Loss") or kind in ("Accuracy", "Silence") for kind in readers)


def _input(data: Any, index: int, told: _Told) -> Any:
    """An Input layer for one top of a data layer."""
    top = data.top[index]
    layer = schema.new(
        "LayerParameter", name=data.name if index == 0 else f"{data.name}_{top}", type="Input", top=[top]
    )
    if data.HasField("phase"):
        layer.phase = data.phase
    if index == 0 and data.HasField("transform_param"):
        layer.transform_param.CopyFrom(data.transform_param)
    shape = _dummy_shape(data, index) if data.type == "DummyData" else _shape(data, index, told)
    if shape:
        layer.input_param.shape.add(dim=shape)
    else:
        told.unknown.append(
            f"the size of {top!r} ({data.type} layer {data.name!r}): --shape {top}=N,C,H,W must tell it"
        )
    return layer


def _dummy_shape(data: Any, index: int) -> Shape:
    """DummyData tells its shapes in full: one for each top, or one for all."""
    param = data.dummy_data_param
    if param.shape:
        return tuple(param.shape[index if len(param.shape) > 1 else 0].dim)
    rows = (param.num, param.channels, param.height, param.width)
    return tuple(row[index if len(row) > 1 else 0] for row in rows if row)


def _shape(data: Any, index: int, told: _Told) -> Shape:
    """(N, C, H, W) for the first top, (N,) for the labels beside it, () where the file does not tell."""
    if data.type == "HDF5Data":
        return ()
    param = getattr(data, OWN_PARAM[data.type])
    batch = param.batch_size
    if not batch:
        batch = 1
        told.assumed.append(f"{data.top[index]!r}: batch size 1, since layer {data.name!r} gives none")
    if index > 0:
        return (batch,)
    if data.type == "MemoryData":
        return (batch, param.channels, param.height, param.width)
    height, width = _image_size(data, param)
    return (batch, _channels(data, told), height, width) if height and width else ()


def _image_size(data: Any, param: Any) -> tuple[int, int]:
    if crop := data.transform_param.crop_size:
        return crop, crop
    if data.type == "ImageData":
        return param.new_height, param.new_width
    return 0, 0


def _channels(data: Any, told: _Told) -> int:
    """Colour or gray: as the layer says, or the number of its mean values; else assumed, and said so."""
    transform = data.transform_param
    if transform.force_gray or (data.type == "ImageData" and not data.image_data_param.is_color):
        return 1
    if transform.force_color or data.type == "WindowData":
        return 3
    if len(transform.mean_value) > 1:
        return len(transform.mean_value)
    told.assumed.append(f"{data.top[0]!r}: 3 channels (colour), since layer {data.name!r} does not say")
    return 3
