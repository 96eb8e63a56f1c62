"""The gate: y = z ∘ x, one gate per neuron."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.errors import BadInput

from . import bench

SHAPE = (2, 3, 5, 4)


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_gates_multiply() -> None:
    x, z = random(*SHAPE), random(*SHAPE, seed=1)
    (y,) = bench.forward(bench.make("Feedback", bottoms=2), [x, z])
    for index in np.ndindex(SHAPE):
        assert y[index] == x[index] * z[index]


def test_without_gates_all_are_open() -> None:
    x, gate = random(*SHAPE), bench.make("Feedback")
    assert np.array_equal(bench.forward(gate, [x])[0], x)
    signal = random(3, *SHAPE, seed=2)
    assert np.array_equal(bench.gradient(gate, [x], [signal])[0], signal)
    assert not gate.gradient_reads


@pytest.mark.parametrize("which", ["x", "z"])
def test_gradients_by_central_differences(which: str) -> None:
    """Of sum (weights * y), for three signals at once."""
    gate = bench.make("Feedback", bottoms=2)
    bottoms, weights = [random(*SHAPE), random(*SHAPE, seed=1)], random(3, *SHAPE, seed=2)
    moving = "xz".index(which)
    found = bench.gradient(gate, bottoms, [weights])[moving]
    assert found.shape == (3, *SHAPE)
    h = 1e-5
    for index in list(np.ndindex(SHAPE))[::7]:
        sides = []
        for step in (h, -h):
            moved = [array.copy() for array in bottoms]
            moved[moving][index] += step
            sides.append((weights * bench.forward(gate, moved)[0]).sum((1, 2, 3, 4)))
        np.testing.assert_allclose(found[(slice(None), *index)], (sides[0] - sides[1]) / (2 * h), rtol=1e-8, atol=1e-9)


def test_gates_of_targets_broadcast_over_one_pass() -> None:
    """Signals and gates (K, N, ...) over activations (N, ...): the frozen passes of many targets."""
    gate = bench.make("Feedback", bottoms=2)
    step = bench.step(gate, [random(*SHAPE), np.ones(SHAPE)])
    gates, signal = random(3, *SHAPE, seed=1), random(3, *SHAPE, seed=2)
    step.bottoms = [step.bottoms[0], gates]
    below, at_gates = gate.gradient(step, [signal])
    for k in range(3):
        assert np.array_equal(below[k], signal[k] * gates[k])
        assert np.array_equal(at_gates[k], signal[k] * step.bottoms[0])


@pytest.mark.parametrize("gates", [(2, 3, 5, 1), (2, 3), (1, 3, 5, 4), (3, 2, 5, 4)])
def test_one_gate_per_neuron(gates: tuple[int, ...]) -> None:
    gate = bench.make("Feedback", bottoms=2, source="net.prototxt")
    with pytest.raises(
        BadInput, match=r"net.prototxt: layer 'l' \(Feedback\): bottom: found gates .* expected one gate per neuron"
    ):
        gate.top_shapes([SHAPE, gates])


def test_bottoms_are_counted() -> None:
    with pytest.raises(BadInput, match="bottom: found 3 blobs, expected 1 to 2"):
        bench.make("Feedback", bottoms=3)
    with pytest.raises(BadInput, match="top: found 2 blobs, expected 1"):
        bench.make("Feedback", tops=2)


def test_it_may_stand_in_place() -> None:
    assert bench.make("Feedback").in_place
