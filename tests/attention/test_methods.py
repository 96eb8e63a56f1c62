"""Every method from end to end, on a small net, against a literal program for it."""

from __future__ import annotations

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.attention.methods import METHODS

from ..nets import make
from ..oracles import methods, small_net

SEEDS = range(3)


def test_every_method_has_an_oracle() -> None:
    assert set(METHODS) <= set(methods.METHODS)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_oracles_net_is_the_same_net(seed: int) -> None:
    weights, x = small_net.random_weights(seed), np.random.default_rng(seed).normal(size=(2, 2, 5, 6))
    trace, literal = make(small_net.PROTOTXT, weights).forward(data=x), small_net.forward(weights, x)
    for blob, expected in {"conv1": literal["relu1"], "pool1": literal["pool1"], "fc": literal["fc"]}.items():
        np.testing.assert_allclose(trace[blob], expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(trace.version("conv1", before="relu1"), literal["conv1"], rtol=1e-12, atol=1e-13)


OPTIONS = {"gp": {"rank_weight": 5.0}}  # at its default most maps of so small a net are empty


@pytest.mark.parametrize("seed", SEEDS)
def test_the_default_of_gp(seed: int) -> None:
    (text, weights), x = small_net.definition("gp", seed), np.random.default_rng(seed).normal(size=(2, 2, 5, 6))
    found = tt.attend(make(text, weights), x, range(small_net.CLASSES), "gp")
    expected = np.stack([methods.METHODS["gp"](weights, x, target) for target in range(small_net.CLASSES)], 1)
    np.testing.assert_allclose(found.map, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", sorted(set(METHODS) & set(methods.METHODS)))
def test_maps(method: str, seed: int) -> None:
    """All four classes of two images, each with its own map."""
    (text, weights), x = small_net.definition(method, seed), np.random.default_rng(seed).normal(size=(2, 2, 5, 6))
    net, options = make(text, weights), OPTIONS.get(method, {})
    found = tt.attend(net, x, range(small_net.CLASSES), method, **options)
    literal = methods.METHODS[method]
    expected = np.stack([literal(weights, x, target, **options) for target in range(small_net.CLASSES)], 1)
    assert found.map.shape == expected.shape
    assert expected.any((2, 3)).sum() >= 3, "most of these maps are empty: this shows nothing"
    np.testing.assert_allclose(found.map, expected, rtol=1e-11, atol=1e-12)


def test_the_oracles_gradient_is_the_slope_of_its_score() -> None:
    weights, x = small_net.random_weights(0), np.random.default_rng(0).normal(size=(1, 2, 5, 6))
    slopes = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        sides = []
        for step in (1e-6, -1e-6):
            moved = x.copy()
            moved[index] += step
            sides.append(small_net.forward(weights, moved)["fc"][0, 2])
        slopes[index] = (sides[0] - sides[1]) / 2e-6
    np.testing.assert_allclose(methods.gradient(weights, x, 2), abs(slopes).max(1), rtol=1e-7, atol=1e-8)
