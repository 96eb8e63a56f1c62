"""Each solver's update against the same formulas for one number, and what happens to a gradient before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thinktwice.solver.updates import UPDATES, clipped, regularized

from ..oracles.updates import Weight
from .nets import param

SETTINGS = {
    "SGD": {"momentum": 0.9},
    "Nesterov": {"momentum": 0.75},
    "AdaGrad": {"delta": 1e-2},
    "RMSProp": {"rms_decay": 0.5, "delta": 1e-3},
    "AdaDelta": {"momentum": 0.75, "delta": 1e-3},
    "Adam": {"momentum": 0.5, "momentum2": 0.75, "delta": 1e-3},
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", SETTINGS)
def test_ten_updates_are_the_oracles(solver: str, dtype: type, tmp_path: Path) -> None:
    """Settings are exact in single precision or read back from it, gradients of both signs and zero, falling rates."""
    text = " ".join(f"{name}: {value}" for name, value in SETTINGS[solver].items())
    checked = param(f'type: "{solver}" {text}', tmp_path)
    read = {name: getattr(checked, name) for name in SETTINGS[solver]}
    rng = np.random.default_rng(0)
    w = rng.normal(size=(2, 3)).astype(dtype)
    oracles = [Weight(float(value), **read) for value in w.ravel()]
    update = UPDATES[solver]
    history = [np.zeros_like(w) for _ in range(update.arrays)]
    for i in range(10):
        g = (rng.normal(size=w.shape) * (rng.random(w.shape) < 0.8)).astype(dtype)
        before = g.copy()
        rate = 0.25 / (i + 1)
        update.apply(checked, i, rate, w, g, history)
        assert np.array_equal(g, before) and w.dtype == dtype
        for weight, gradient in zip(oracles, g.ravel(), strict=True):
            weight.update(solver, float(gradient), rate)
    expected = np.array([weight.value for weight in oracles]).reshape(w.shape)
    assert abs(w - expected).max() <= {np.float64: 1e-12, np.float32: 2e-6}[dtype]
    for number, array in enumerate(history):
        kept = np.array([weight.history[number] for weight in oracles]).reshape(w.shape)
        np.testing.assert_allclose(array, kept, rtol=1e-4 if dtype is np.float32 else 1e-12, atol=1e-7)


def test_all_solvers_are_here() -> None:
    assert SETTINGS.keys() == UPDATES.keys()


def test_weight_decay(tmp_path: Path) -> None:
    w, g = np.array([2.0, -3.0, 0.0]), np.array([1.0, 1.0, 1.0])
    squares, absolutes = (
        param("weight_decay: 0.5", tmp_path),
        param('weight_decay: 0.5 regularization_type: "L1"', tmp_path),
    )
    assert regularized(squares, 1, w, g).tolist() == [2, -0.5, 1]
    assert regularized(squares, 4, w, g).tolist() == [5, -5, 1]
    assert regularized(absolutes, 1, w, g).tolist() == [1.5, 0.5, 1]
    assert regularized(squares, 0, w, g).tolist() == regularized(param("", tmp_path), 1, w, g).tolist() == [1, 1, 1]


def test_clipping_scales_all_gradients_by_their_common_norm(tmp_path: Path) -> None:
    gradients = [np.array([3.0, 0.0]), np.array([[4.0]])]
    short, at_norm, none = (param(f"clip_gradients: {norm}", tmp_path) for norm in (2.5, 5, -1))
    assert [g.tolist() for g in clipped(short, gradients)] == [[1.5, 0], [[2]]]
    assert [g.tolist() for g in clipped(at_norm, gradients)] == [[3, 0], [[4]]]
    assert [g.tolist() for g in clipped(none, gradients)] == [[3, 0], [[4]]]
    assert [g.tolist() for g in clipped(param("clip_gradients: 0", tmp_path), gradients)] == [[0, 0], [[0]]]
