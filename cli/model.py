"""From a command's flags to a net, and to what makes a picture fit for it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..attention.places import image_blob
from ..caffe_models.definition import read_net
from ..caffe_models.deploy import DATA_LAYERS, deploy_view
from ..caffe_models.mean import read_mean
from ..caffe_models.phases import for_state
from ..caffe_models.surgery import with_input_shape
from ..caffe_models.weights import read_all_weights
from ..errors import BadInput
from ..executor.graph import Graph
from ..executor.load import build
from ..executor.net import Net
from ..repro.images import ILSVRC_MEAN, Preprocessing
from .inputs import read_inputs
from .output import Output

Shape = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """A definition as it runs: one state's layers, inputs in the place of data layers, and what had to be said of that."""

    message: Any
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """A net, the files that it came from, and the file of its classes' names, if there is one."""

    net: Net
    prototxt: Path
    weights: tuple[Path, ...] = ()
    labels: Path | None = None
    preprocessing: Preprocessing | None = None  # as the catalogue has it
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)  # as a file gave them


def read_view(
    prototxt: str | Path,
    shapes: Sequence[tuple[str, Shape]] = (),
    phase: str = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
) -> View:
    """The definition of one state, in its deploy view where it has data layers; the losses stay in phase TRAIN."""
    message = for_state(read_net(prototxt), phase=phase, level=level, stages=tuple(stages), source=str(prototxt))
    notes = []
    if any(layer.type in DATA_LAYERS for layer in message.layer):
        message, told = deploy_view(message, labels=phase == "TRAIN")
        notes = [f"left out: {text}" for text in told.left_out] + [f"assumed: {text}" for text in told.assumed]
    return View(with_input_shape(message, **dict(shapes)) if shapes else message, tuple(notes))


def open_files(
    args: Namespace,
    output: Output,
    *,
    dtype: str = "float32",
    seed: int | None = None,
    inputs: str | None = None,
    flat: bool = False,
) -> Model:
    """The net of ``--prototxt`` and ``--weights``; ``seed`` draws weights where there are none, ``flat`` as in ``load``.

    ``inputs``: a file with arrays for the net's inputs. Where the definition tells no shape, theirs count.
    """
    if not args.prototxt:
        raise BadInput("model: found no definition, expected --prototxt FILE")
    if not args.weights and seed is None:
        raise BadInput("model: found no weights, expected --weights FILE")
    view, weights = read_view(args.prototxt, args.shape), weight_files(args.weights)
    for note in view.notes:
        output.note(note)
    graph = Graph(view.message, args.prototxt)
    arrays = read_inputs(graph, inputs) if inputs else {}
    unknown = [name for name, value in graph.inputs.items() if graph.shapes()[value] is None]
    _check_known([name for name in unknown if name not in arrays], args.prototxt)
    net = build(
        view.message,
        read_all_weights(weights) if weights else None,
        source=args.prototxt,
        device=args.device,
        dtype=dtype,
        partial=args.partial,
        flat=flat,
        shapes={name: arrays[name].shape for name in unknown},
        seed=seed,
    )
    return Model(net, Path(args.prototxt), weights, inputs=arrays)


def weight_files(text: str | None) -> tuple[Path, ...]:
    """``--weights``: one file, or several separated by commas, of which later ones win, as Caffe has it."""
    if not text:
        return ()
    return (Path(text),) if Path(text).exists() else tuple(Path(part) for part in text.split(",") if part)


def _check_known(unknown: Sequence[str], source: str) -> None:
    """Refuse a net with inputs whose shape neither the definition nor a flag tells."""
    for name in unknown:
        raise BadInput(f"{source}: input {name!r}: found no shape, expected one: give --shape {name}=N,C,H,W")


def open_model(args: Namespace, output: Output, **settings: Any) -> Model:
    """The net of ``--model``, or of ``--prototxt`` and ``--weights``; ``settings`` as in ``open_files``."""
    if not args.model:
        if not (args.prototxt or args.weights):
            raise BadInput("model: found none, expected --model NAME, or --prototxt FILE and --weights FILE")
        return open_files(args, output, **settings)
    if args.prototxt or args.weights:
        raise BadInput("model: found --model beside --prototxt or --weights, expected one of the two ways")
    from ..caffe_models.catalogue import find_model

    found = find_model(args.model)
    args.prototxt, args.weights, args.partial = str(found.prototxt), ",".join(map(str, found.weights)), True
    known = Preprocessing.of(found)
    return replace(open_files(args, output, flat=found.flat, **settings), labels=found.labels, preprocessing=known)


# --- pictures -----------------------------------------------------------------------------------------------


def image_shape(net: Net) -> tuple[int, int, int]:
    """The shape (C, H, W) of the image that a net takes. Raises ``BadInput``."""
    name = image_blob(net)
    shape = net.shapes()[name]
    if shape is None:
        raise BadInput(f"input {name!r}: found no shape in the definition, expected one: --shape {name}=1,C,H,W")
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise BadInput(f"input {name!r}: found shape {shape}, expected an image (N, 3, H, W) or (N, 1, H, W)")
    return shape[1], shape[2], shape[3]


def preprocessing(args: Namespace, model: Model, channels: int) -> Preprocessing:
    """What the flags say; for the rest the catalogue, the definition's ``transform_param``, or the usual mean."""
    known = model.preprocessing or _from_definition(model.net, channels)
    resize, colon, side = (args.resize or known.resize).partition(":")
    if colon and (not side.isdecimal() or resize != "shorter"):
        raise BadInput(f"resize: found {args.resize!r}, expected squash, shorter or shorter:SIDE")
    return Preprocessing(
        mean=known.mean if args.mean is None else _mean(args.mean),
        order=(args.channel_order or known.order).upper(),
        scale=known.scale if args.scale is None else args.scale,
        resize=resize,
        side=int(side) if side else None,
    )


def described(how: Preprocessing, args: Namespace) -> dict[str, Any]:
    """Preprocessing as plain data; a mean image by its file."""
    mean = args.mean if isinstance(how.mean, np.ndarray) else how.mean
    return {"mean": mean, "channel_order": how.order, "scale": how.scale, "resize": how.resize, "side": how.side}


def _from_definition(net: Net, channels: int) -> Preprocessing:
    transforms = [layer.transform_param for layer in net.message.layer if layer.HasField("transform_param")]
    told = next((t for t in transforms if t.mean_value or t.HasField("scale")), None)
    if told is not None:
        return Preprocessing(mean=tuple(told.mean_value) or 0.0, scale=told.scale)
    return Preprocessing(mean=ILSVRC_MEAN if channels == 3 else 0.0)


def _mean(text: str) -> float | tuple[float, ...] | np.ndarray:
    """``104,117,123``, ``128``, or the name of a file."""
    try:
        numbers = tuple(float(number) for number in text.split(","))
    except ValueError:
        if not Path(text).exists():
            raise BadInput(f"mean: found {text!r}, expected numbers (104,117,123) or a file that exists") from None
        return read_mean(text)
    if not np.isfinite(numbers).all():
        raise BadInput(f"mean: found {text!r}, expected finite numbers")
    return numbers if len(numbers) > 1 else numbers[0]
