"""Maps of what speaks for a class in an image, one for each target.

--out stores a .npz file: `map` (targets, H, W) at the blob, `resized` (targets, image H, W), `targets`, and `meta`, a
JSON string that says how the maps were made. Where preprocessing takes the image's centre, `resized` is 0 around it.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from thinktwice import __version__

from ...attention.attend import Attention, attend
from ...attention.maps import KERNELS
from ...attention.method import Method
from ...attention.methods import METHODS, find_method
from ...attention.targets import score_blob
from ...caffe_models.files import replacing
from ...errors import BadInput, nearest
from ...executor.device import to_numpy
from ...repro.images import Box, prepare, read_image, seen
from .. import arguments
from ..files import check_writable, sha256, write_npz
from ..labels import Label, find_targets, label_of, labels_for
from ..model import Model, described, image_shape, open_model, preprocessing
from ..output import Output, dimensions, plain
from ..overlay import Panel, sheet


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help="JPEG, PNG or the like")
    arguments.add_model(parser)
    parser.add_argument(
        "--target", required=True, metavar="T", help="class index, wnid or name in --labels; several: A,B"
    )
    parser.add_argument("--labels", metavar="FILE", help="one class per line: 'n01440764 tench, Tinca tinca', or names")
    parser.add_argument("--method", default="c-mwp", metavar="M", help=f"one of {', '.join(METHODS)} (default c-mwp)")
    parser.add_argument("--at", metavar="BLOB", help="the blob to read the map at (default: the method's choice)")
    parser.add_argument(
        "-o", dest="options", action="append", type=arguments.key_value, default=[], metavar="KEY=VALUE",
        help="an option of the method; `thinktwice methods` lists them",
    )  # fmt: skip
    parser.add_argument(
        "--interpolation", default="bicubic", metavar="HOW", help=f"to the image's size: {', '.join(KERNELS)}"
    )
    parser.add_argument("--out", metavar="MAP.NPZ", help="where to store the maps")
    parser.add_argument("--overlay", metavar="O.PNG", help="where to draw them over the image")
    arguments.add_preprocessing(parser)
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    _check(args)
    method = find_method(args.method)
    options = method.checked(_options(method, args.options))
    picture = read_image(args.image)
    model = open_model(args, output)
    shape = image_shape(model.net)
    how = preprocessing(args, model, shape[0])
    box = seen(picture.shape[:2], shape[1:], how)
    blob = prepare(picture, shape, how)
    labels = labels_for(args.labels or model.labels, _classes(model))
    targets = find_targets(args.target, labels)
    result = attend(model.net, blob, targets, args.method, args.at, **options)
    maps = to_numpy(result.map)[0]
    resized = placed(result, picture.shape[:2], box, args.interpolation)
    meta = plain({**result.meta, **_provenance(args, model, labels, targets, box, how)})
    if args.out:
        arrays = {"map": maps, "resized": resized, "targets": np.array(targets), "meta": np.array(json.dumps(meta))}
        write_npz(args.out, arrays)
    if args.overlay:
        panels = [
            Panel(values, label_of(labels, target), f"{args.method} at {result.at}")
            for values, target in zip(resized, targets, strict=True)
        ]
        save(sheet(picture, panels, Path(args.image).name, dimensions(picture.shape[1::-1])), args.overlay)
    _report(output, args, meta, maps, resized, result, labels)
    return 0


def placed(result: Attention, image: tuple[int, ...], box: Box, interpolation: str) -> np.ndarray:
    """The maps of the first image at its own size (K, H, W): resized to the part that the net saw, 0 around it."""
    part = to_numpy(result.resized(box.bottom - box.top, box.right - box.left, interpolation))[0]
    if part.shape[1:] == image:
        return part
    whole = np.zeros((len(part), *image), part.dtype)
    whole[:, box.top : box.bottom, box.left : box.right] = part
    return whole


def _check(args: Namespace) -> None:
    """What can be refused before anything is computed."""
    if not (args.out or args.overlay):
        raise BadInput("out: found neither --out nor --overlay, expected a place for the maps")
    check_writable(args.out, "--out")
    check_writable(args.overlay, "--overlay")
    if args.interpolation not in KERNELS:
        raise BadInput(
            f"interpolation: found {args.interpolation!r}, expected one of {list(KERNELS)}"
            f"{nearest(args.interpolation, KERNELS)}"
        )


def _options(method: Method, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Options as the types of their defaults."""
    return {name: _typed(method, name, text) for name, text in pairs}


def _typed(method: Method, name: str, text: str) -> Any:
    default = method.options[name].default if name in method.options else text
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise BadInput(f"method {method.name!r}: option {name}: found {text!r}, expected true or false")
        return text.lower() == "true"
    if isinstance(default, (int, float)):
        try:
            return type(default)(text)
        except ValueError:
            kind = "a whole number" if isinstance(default, int) else "a number"
            raise BadInput(f"method {method.name!r}: option {name}: found {text!r}, expected {kind}") from None
    return text


def _classes(model: Model) -> int:
    score = score_blob(model.net)
    shape = model.net.shapes()[score]
    if shape is None or len(shape) < 2:
        raise BadInput(f"score: found blob {score!r} of shape {shape}, expected class scores (N, classes, ...)")
    return shape[1]


def _provenance(
    args: Namespace, model: Model, labels: Sequence[Label] | None, targets: Sequence[int], box: Box, how: Any
) -> dict[str, Any]:
    """What one must know to make the same maps again."""
    files = {"image": args.image, "prototxt": model.prototxt, "weights": model.weights}
    return {
        "files": {what: {"path": str(path), "sha256": sha256(path)} for what, path in files.items() if path},
        "names": [labels[target].names for target in targets] if labels else None,
        "preprocessing": described(how, args),
        "seen": box._asdict(),
        "interpolation": args.interpolation,
        "versions": {
            "thinktwice": __version__,
            "python": sys.version.split()[0],
            "numpy": np.__version__,
            "pillow": PIL.__version__,
        },
    }


def save(picture: Any, path: str | Path) -> None:
    """A picture as a PNG file, whole or not at all."""
    with replacing(path) as temporary:
        picture.save(temporary, "PNG", optimize=True)


def _report(
    output: Output,
    args: Namespace,
    meta: dict[str, Any],
    maps: np.ndarray,
    resized: np.ndarray,
    result: Attention,
    labels: Sequence[Label] | None,
) -> None:
    if output.json:
        output.data({"out": args.out, "overlay": args.overlay, "shape": maps.shape, "meta": meta})
        return
    rows = []
    for target, score, values in zip(result.targets[0], result.scores[0], resized, strict=True):
        y, x = np.unravel_index(int(values.argmax()), values.shape)
        rows.append((target, label_of(labels, target), f"{score:.4g}", f"{values.max():.3g}", f"{x}, {y}"))
    output.table((">class", "name", ">score", ">highest value", "at x, y"), rows, title=f"{args.method} at {result.at}")
    for path in filter(None, (args.out, args.overlay)):
        output.note(f"stored: {path}")
