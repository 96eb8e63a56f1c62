"""Flags that several commands share, and how their values are read."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

Shape = tuple[int, ...]


def add_output(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="JSON on stdout instead of tables")
    group.add_argument("--quiet", action="store_true", help="no notes and no progress on stderr")


def add_device(parser: ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:n")


def add_model(parser: ArgumentParser) -> None:
    """A model by name, or as two files."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", metavar="NAME", help="a model of the catalogue, or in its place:")
    group.add_argument("--prototxt", metavar="P", help="the definition; of a train_val file, its deploy view")
    group.add_argument(
        "--weights", metavar="W", help="its weights, .caffemodel or .caffemodel.h5; A,B: of both, B first"
    )
    group.add_argument(
        "--partial", action="store_true", help="the weights may hold layers that the net lacks (training classifiers)"
    )
    group.add_argument(
        "--shape", action="append", type=shape, default=[], metavar="NAME=N,C,H,W", help="the shape of an input"
    )


def add_preprocessing(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "preprocessing",
        "as the catalogue or the definition's transform_param says; where neither does: BGR minus 104,117,123 for nets "
        "with 3 input channels, grey minus 0 for nets with 1, the whole picture resized to the input (bilinear)",
    )
    group.add_argument(
        "--mean", metavar="M", help="B,G,R (in the net's channel order), one number, or .binaryproto/.npy"
    )
    group.add_argument("--channel-order", metavar="ORDER", help="BGR or RGB")
    group.add_argument("--scale", type=finite, metavar="S", help="factor after the mean is subtracted")
    group.add_argument(
        "--resize", metavar="HOW", help="squash (default), shorter, or shorter:SIDE; the last two take the centre"
    )


def positive(text: str) -> int:
    """A number of things."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"found {text!r}, expected a positive number")
    return int(text)


def whole(text: str) -> int:
    """A number of things, or none."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"found {text!r}, expected a whole number from 0 on")
    return int(text)


def seed(text: str) -> int:
    """A seed of random numbers."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"found {text!r}, expected a whole number from 0 on")
    return int(text)


def tolerance(text: str) -> float:
    """The greatest relative error that passes."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise ArgumentTypeError(f"found {text!r}, expected a number from 0 on")
    return number


def finite(text: str) -> float:
    """A number that is neither infinite nor none."""
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if abs(number) < float("inf"):
        return number
    raise ArgumentTypeError(f"found {text!r}, expected a finite number")


def shape(text: str) -> tuple[str, Shape]:
    """``data=1,3,227,227`` -> ("data", (1, 3, 227, 227))."""
    name, equals, numbers = text.rpartition("=")
    sizes = numbers.replace("x", ",").split(",")
    if not (name and equals and all(size.strip().isdecimal() and int(size) > 0 for size in sizes)):
        raise ArgumentTypeError(f"found {text!r}, expected NAME=N,C,H,W with positive numbers")
    return name, tuple(map(int, sizes))


def key_value(text: str) -> tuple[str, str]:
    """``reduce=sum`` -> ("reduce", "sum")."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ArgumentTypeError(f"found {text!r}, expected KEY=VALUE")
    return key, value
