"""``thinktwice COMMAND ...``: which commands there are, and what becomes of their errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from ..errors import BadInput, nearest

# Command -> what it does. Its file in commands/ has its name, with underscores.
COMMANDS = {
    "inspect": "a net's layers, shapes, parameters, multiply-adds and receptive fields",
    "forward": "the activations of a net for given inputs",
    "crosscheck": "every blob of a net against onnxruntime",
    "export-onnx": "a net as an ONNX file",
    "classify": "the most likely classes of images",
    "attend": "maps of what speaks for a class in an image",
    "compare": "one sheet of small maps, methods in columns and classes in rows",
    "localize": "boxes around what speaks for a class in an image",
    "segment": "which class each pixel of an image shows",
    "train": "train a net as Caffe's solver does",
    "bench": "how fast kernels, layers and methods are, beside other programs",
    "methods": "the attention methods, their papers and options",
    "demo": "all of this on the embedded model and images",
}

DONE, BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 0, 2, 130, 141


def main(argv: Sequence[str]) -> int:
    """Run one command line (without the program's name); returns the exit status."""
    try:
        status = _run(argv)
        sys.stdout.flush()
        return status
    except BadInput as error:
        return _failed(str(error))
    except MemoryError as error:
        return _failed(f"not enough memory: {error}")
    except BrokenPipeError:  # the reader has seen enough: `thinktwice ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        return _failed(f"{error.filename or 'file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return _failed("interrupted", INTERRUPTED)


def _run(argv: Sequence[str]) -> int:
    try:
        args = parse(argv)
    except SystemExit as shown:  # --help and --version have printed what they had to say
        return int(shown.code or DONE)
    return args.run(args)


def _failed(message: str, status: int = BAD_INPUT) -> int:
    line = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in " ".join(message.split()))
    print(f"thinktwice: error: {line}", file=sys.stderr)
    return status


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose errors are ``BadInput``, like all others."""

    def __init__(self, **settings: Any):
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{self.prog.removeprefix('thinktwice ')}: {message}")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line, ``run`` being the command's function. Raises ``BadInput``."""
    from thinktwice import __version__

    parser = Parser(
        prog="thinktwice",
        description="Top-down attention in convolutional networks, on original Caffe files.",
        epilog="thinktwice COMMAND --help tells what a command takes.",
    )
    parser.add_argument("--version", action="version", version=f"thinktwice {__version__}")
    table = parser.add_subparsers(metavar="COMMAND", title="commands", dest="command", parser_class=Parser)
    chosen = next((word for word in argv if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        command = table.add_parser(name, help=summary)
        if name == chosen:
            module = import_module(f"..commands.{name.replace('-', '_')}", __name__)
            command.description = module.__doc__
            command.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_arguments(command)
            command.set_defaults(run=module.run)
            flags = list(command._option_string_actions)
    if chosen is not None and chosen not in COMMANDS:
        raise BadInput(f"command: found {chosen!r}, expected one of {list(COMMANDS)}{nearest(chosen, COMMANDS)}")
    args, unknown = parser.parse_known_args(argv)
    if chosen is None:
        raise BadInput(f"command: found none, expected one of {list(COMMANDS)}")
    if unknown:
        flag = unknown[0].partition("=")[0]
        what = "flags" if flag.startswith("-") else "arguments"
        raise BadInput(f"{chosen}: found {unknown[0]!r}, which is none of its {what}{nearest(flag, flags)}")
    return args
