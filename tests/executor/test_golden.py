"""Forward passes and gradients against real Caffe's, case by case: within 1e-5 of each blob's maximum, in single precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.executor.device import to_numpy

from ..conftest import SHARED

CASES = sorted(path.name for path in (SHARED / "golden" / "layers").glob("*"))
LEGACY = sorted(path.name for path in (SHARED / "golden" / "legacy").glob("*"))

# Caffe's Flatten points its bottom's diff at its own top's; a Reshape below it, which had shared its diff with *its* bottom,
# then writes to no one, and the net's input is left with zeros. The derivative itself is what lies at the Reshape's top.
CAFFE_LEAVES_ZEROS = {("flatten_reshape", "data"): "r"}


def compare(found: Any, golden: np.ndarray, what: str, tolerance: float = 1e-5) -> None:
    assert found.shape == golden.shape, what
    error = np.abs(to_numpy(found).astype(np.float64) - golden).max(initial=0)
    assert error <= tolerance * np.abs(golden).max(initial=0), f"{what}: {error:.3g} off"


def part(golden: np.lib.npyio.NpzFile, prefix: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(prefix): golden[key] for key in golden.files if key.startswith(prefix)}


def first_version(net: tt.Net, walk: tt.Walk, blob: str) -> np.ndarray:
    """The signal below all in-place layers over a blob: what Caffe leaves in its diff."""
    readers = [net.graph.nodes[number].layer.name for number in net.graph.readers[net.graph.versions[blob][0]]]
    return walk.version(blob, before=readers[0]) if readers else walk[blob]


def check(definition: Path, golden_folder: Path, device: str) -> None:
    net = tt.load(definition / "net.prototxt", definition / "net.caffemodel", device=device)
    golden = np.load(golden_folder / "golden.npz")
    trace = net.forward(part(golden, "input/"))
    for blob, expected in part(golden, "data/").items():
        compare(trace[blob], expected, f"data of {blob}")
    signals = part(golden, "top_diff/")
    if not signals:
        return
    walk = net.backward(trace, signals, params=True)
    for blob, expected in part(golden, "diff/").items():
        below = CAFFE_LEAVES_ZEROS.get((definition.name, blob))
        if below:
            assert not expected.any()
            expected = golden[f"diff/{below}"].reshape(expected.shape)
        compare(first_version(net, walk, blob), expected, f"diff of {blob}")
    for name, expected in part(golden, "param_diff/").items():
        layer, _, index = name.rpartition("/")
        compare(walk.params[layer][int(index)], expected, f"parameter {name}")


@pytest.mark.parametrize("case", CASES)
def test_layers(shared: Path, device: str, case: str) -> None:
    folder = shared / "golden" / "layers" / case
    check(folder, folder, device)


@pytest.mark.parametrize("case", LEGACY)
def test_legacy_files_give_the_same(shared: Path, device: str, case: str) -> None:
    check(shared / "golden" / "legacy" / case, shared / "golden" / "layers" / "mini_alexnet", device)


def test_reference_data(shared: Path) -> None:
    """Skips visibly where there is none, and fails where the folder is there but empty."""
    assert len(CASES) >= 40
    assert len(LEGACY) == 2


@pytest.mark.parametrize("case", ["pool_max_ties", "pool_max_pad_clip", "pool_max_ceil", "pool_global_max"])
def test_switches_exactly(shared: Path, case: str) -> None:
    """Where only one window claims a pixel, the signal there is the window's own number, bit for bit."""
    folder = shared / "golden" / "layers" / case
    net, golden = tt.load(folder / "net.prototxt", device="cpu"), np.load(folder / "golden.npz")
    trace = net.forward(part(golden, "input/"))
    ones = net.backward(trace, {"p": np.ones_like(golden["top_diff/p"])})["data"]
    # which pixels win, and how often, is decided by the switches alone
    expected = golden["diff/data"]
    assert np.array_equal(ones > 0, expected != 0)
    single = ones == 1
    assert set(expected[single].tolist()) <= set(golden["top_diff/p"].ravel().tolist())
    found = net.backward(trace, {"p": golden["top_diff/p"]})["data"]
    assert np.array_equal(found[single], expected[single])
