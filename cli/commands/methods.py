"""The attention methods: the paper each comes from, the equation, and its options with the authors' values."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ...attention.methods import METHODS
from .. import arguments
from ..output import Output


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    methods = [method.describe() for method in METHODS.values()]
    if output.json:
        output.data(methods)
        return 0
    rows = [
        (m["name"], m["title"], m["paper"], ", ".join(_option(*item) for item in m["options"].items())) for m in methods
    ]
    output.table(("method", "what it is", "paper", "options"), rows)
    return 0


def _option(name: str, option: dict) -> str:
    return f"{name}={option['default']}"
