"""Where a signal arrives: layers that are told about it do as NumPy does afterwards, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thinktwice.layers.arrival import ALONE, Arrival
from thinktwice.layers.layer import Step

from . import bench

LAYERS = {
    "Convolution": "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }",
    "Convolution, 1 x 1": "convolution_param { num_output: 4 kernel_size: 1 }",
    "Convolution, stride 2": "convolution_param { num_output: 4 kernel_size: 3 stride: 2 }",
    "Deconvolution": "convolution_param { num_output: 4 kernel_size: 2 stride: 2 }",
    "Pooling, overlapping": "pooling_param { kernel_size: 3 stride: 2 }",
    "Pooling, apart": "pooling_param { kernel_size: 2 stride: 2 }",
    "Pooling, means": "pooling_param { pool: AVE kernel_size: 3 stride: 2 }",
    "Pooling, one mean": "pooling_param { pool: AVE global_pooling: true }",
}
PARTS = [{"onto"}, {"times"}, {"where"}, {"onto", "where"}, {"onto", "times", "where"}]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: "-".join(sorted(parts)))
def test_gradients_meet_what_is_there(dtype: Any, name: str, parts: set[str]) -> None:
    rng = np.random.default_rng(0)
    layer = bench.make(name.split(",")[0], LAYERS[name])
    x = rng.normal(size=(2, 3, 9, 8)).astype(dtype)
    parameters = [rng.normal(size=spec.shape).astype(dtype) for spec in layer.parameter_specs([x.shape])]
    tops, saved = layer.forward([x], parameters)
    step = Step(layer, parameters, [x], tops, [x.shape], [top.shape for top in tops], saved)
    signal = rng.normal(size=(4, *tops[0].shape)).astype(dtype)
    given = {
        "onto": rng.normal(size=(4, *x.shape)).astype(dtype),
        "times": rng.normal(size=x.shape).astype(dtype),
        "where": x,
    }
    arrival = Arrival(**{part: given[part] for part in sorted(parts)})
    before = {part: array.copy() for part, array in given.items()}
    assert layer.arrives
    (alone,), (found,) = layer.gradient(step, [signal]), layer.gradient(step, [signal], arrival)
    expected = alone * given["times"] if "times" in parts else alone
    expected = given["onto"] + expected if "onto" in parts else expected
    expected = expected * (x > 0) if "where" in parts else expected
    np.testing.assert_array_equal(found, expected, strict=True)
    assert all(np.array_equal(given[part], before[part]) for part in given)


def test_alone_a_signal_is_what_it_was() -> None:
    signal = np.arange(3.0)
    assert ALONE.at(signal) is signal
