"""Every method from end to end, on a small net, against a literal program for it."""

from __future__ import annotations

import numpy as np
import pytest
import thinktwice as tt
from thinktwice.attention.methods import METHODS

from ..nets import make
from ..oracles import methods as oracle

SEEDS = range(3)


def test_every_method_has_an_oracle() -> None:
    assert set(METHODS) <= set(oracle.METHODS)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_oracles_net_is_the_same_net(seed: int) -> None:
    weights, x = oracle.random_weights(seed), np.random.default_rng(seed).normal(size=(2, 2, 5, 6))
    trace, literal = make(oracle.PROTOTXT, weights).forward(data=x), oracle.forward(weights, x)
    for blob, expected in {"conv1": literal["relu1"], "pool1": literal["pool1"], "fc": literal["fc"]}.items():
        np.testing.assert_allclose(trace[blob], expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(trace.version("conv1", before="relu1"), literal["conv1"], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", sorted(oracle.METHODS))
def test_maps(method: str, seed: int) -> None:
    """All four classes of two images, each with its own map."""
    weights, x = oracle.random_weights(seed), np.random.default_rng(seed).normal(size=(2, 2, 5, 6))
    at = "data" if method in ("gradient", "guided") else "pool1"
    found = tt.attend(make(oracle.PROTOTXT, weights), x, range(oracle.CLASSES), method, at=at)
    expected = np.stack([oracle.METHODS[method](weights, x, target) for target in range(oracle.CLASSES)], 1)
    assert found.map.shape == expected.shape
    assert expected.any((2, 3)).sum() >= 3, "most of these maps are empty: this shows nothing"
    tolerance = 1e-8 if method == "gradient" else 1e-12  # differences of the score have rounding of their own
    np.testing.assert_allclose(found.map, expected, rtol=tolerance, atol=tolerance)
