"""Watching a net at work: which layers are called, and which of their arrays are still alive."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from thinktwice.executor.net import Net


def calls(monkeypatch: pytest.MonkeyPatch, net: Net, method: str) -> list[str]:
    """The names of the layers whose ``method`` is called from now on, in order."""
    called: list[str] = []
    for node in net.graph.nodes:
        original = getattr(node.layer, method, None)
        if original is not None:
            monkeypatch.setattr(node.layer, method, _noting(original, node.layer.name, called))
    return called


def _noting(original: Any, name: str, called: list[str]) -> Any:
    def noting(*arguments: Any, **options: Any) -> Any:
        called.append(name)
        return original(*arguments, **options)

    return noting


class Arrays:
    """Weak references to every top that layers make, by (layer, number of the top)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, net: Net):
        self._made: dict[str, weakref.ref[np.ndarray]] = {}
        self.alive_at: dict[str, set[str]] = {}  # when a layer starts: whose tops are alive
        for node in net.graph.nodes:
            monkeypatch.setattr(node.layer, "forward", self._watching(node.layer.forward, node.layer.name))

    @property
    def alive(self) -> set[str]:
        """The layers whose (first) top still exists."""
        gc.collect()
        return {name for name, reference in self._made.items() if reference() is not None}

    def _watching(self, original: Any, name: str) -> Any:
        def watching(bottoms: Any, parameters: Any, **options: Any) -> Any:
            self.alive_at[name] = self.alive
            tops, saved = original(bottoms, parameters, **options)
            self._made[name] = weakref.ref(tops[0])
            return tops, saved

        return watching
