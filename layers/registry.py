"""The table of layer types: V2 name -> class. A layer is added in one file and one registration.

@register("Pooling", v1="POOLING")
class Pooling(Layer): ...
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TypeVar

from ..errors import BadInput, nearest
from .layer import Layer

_CLASSES: dict[str, type[Layer]] = {}
L = TypeVar("L", bound=type[Layer])


def register(type_name: str, v1: str = "") -> Callable[[L], L]:
    """Enter a class under its V2 type name and, where Caffe had one, its name in the V1 enumeration."""

    def enter(cls: L) -> L:
        cls.type, cls.v1 = type_name, v1
        _CLASSES[type_name] = cls
        return cls

    return enter


def layer_types() -> dict[str, type[Layer]]:
    """All known types, sorted by name."""
    _import_all()
    return dict(sorted(_CLASSES.items()))


def layer_class(type_name: str, where: str = "") -> type[Layer]:
    """The class of a type, or a ``BadInput`` that names the nearest known type."""
    known = layer_types()
    if type_name not in known:
        place = f"{where}: " if where else ""
        raise BadInput(
            f"{place}type: found {type_name!r}, expected one of the known layer types{nearest(type_name, known)}"
        )
    return known[type_name]


@cache
def _import_all() -> None:
    """Import every file of this folder once, so that each registers what it defines."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")
