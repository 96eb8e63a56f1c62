"""Marginal winning probabilities against the excitation backprop authors' Caffe, and SqueezeNet against real Caffe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import thinktwice as tt

from ..conftest import SHARED
from ..executor.test_golden import compare, first_version, part

CASES = sorted(path.name for path in (SHARED / "golden" / "excitation").glob("*"))


@pytest.mark.parametrize("case", CASES)
def test_mwp_at_every_blob(shared: Path, device: str, case: str) -> None:
    folder = shared / "golden" / "excitation" / case
    net = tt.load(folder / "net.prototxt", folder / "net.caffemodel", device=device)
    golden = np.load(folder / "golden.npz")
    trace = net.forward(part(golden, "input/"))
    walk = net.backward(trace, part(golden, "top_diff/"), rule="excitation")
    for blob, expected in part(golden, "diff/").items():
        compare(first_version(net, walk, blob), expected, f"MWP at {blob}")


@pytest.fixture
def squeezenet(shared: Path, device: str):
    model = shared / "models" / "squeezenet_v1.0"
    net = tt.load(model / "deploy.prototxt", model / "squeezenet_v1.0.caffemodel", device=device)
    golden = np.load(shared / "golden" / "squeezenet" / "elephant_zebra_1.npz")
    return net, golden, net.forward(data=golden["input/data"])


def test_squeezenet_activations(squeezenet) -> None:
    _net, golden, trace = squeezenet
    for blob, expected in part(golden, "data/").items():
        compare(trace[blob], expected, blob)


@pytest.mark.parametrize(("rule", "key"), [("gradient", "gradient"), ("guided", "guided"), ("excitation", "mwp")])
def test_squeezenet_signals(squeezenet, rule: str, key: str) -> None:
    net, golden, trace = squeezenet
    one_hot = np.zeros(trace.shape("pool10"), np.float32)
    one_hot[0, int(golden["target"])] = 1
    walk = net.backward(trace, {"pool10": one_hot}, rule=rule)
    for blob, expected in part(golden, f"{key}/").items():
        compare(first_version(net, walk, blob), expected, f"{key} at {blob}")
