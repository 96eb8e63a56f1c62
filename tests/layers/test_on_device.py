"""Every layer over arrays that are not NumPy's, under CuPy's rules: what it gives on the CPU, it gives on a device."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from thinktwice.layers.layer import Layer, Step

from .test_gradients import CASES, Case, drawn_signals

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_layers(cupy: ModuleType, case: Case, dtype: str) -> None:
    layer, (bottoms, parameters) = case.make(), case.draw(0)
    given = [bottoms, parameters, drawn_signals(layer, bottoms, parameters, 0)]
    on_cpu = [[np.asarray(array, dtype) for array in group] for group in given]
    on_device = [[cupy.asarray(array) for array in group] for group in on_cpu]
    expected, found = passes(layer, *on_cpu), passes(layer, *on_device)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert isinstance(one, cupy.ndarray)
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one.get(), other, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def passes(layer: Layer, bottoms: Sequence[Any], parameters: Sequence[Any], signals: Sequence[Any]) -> list[Any]:
    """Tops, signals at the bottoms, and gradients of the parameters."""
    tops, saved = layer.forward(bottoms, parameters)
    shapes = {"bottom_shapes": [x.shape for x in bottoms], "top_shapes": [y.shape for y in tops]}
    step = Step(layer, parameters, bottoms, tops, saved=saved, final_tops=tops, **shapes)
    learnt = layer.parameter_gradient(step, signals) if parameters else []
    return [*tops, *layer.gradient(step, signals), *learnt]
