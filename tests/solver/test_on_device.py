"""Training over arrays that are not NumPy's, under CuPy's rules: the same weights as on the CPU."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from thinktwice.solver.solver import Solver
from thinktwice.solver.updates import UPDATES

from .nets import ACCURACY, NET, fed, param, train


@pytest.mark.parametrize("kind", UPDATES)
def test_updates(cupy: ModuleType, kind: str, tmp_path: Path) -> None:
    settings = f'type: "{kind}" max_iter: 3 weight_decay: 0.01 clip_gradients: 2 test_iter: 1 test_interval: 2'
    found = {}
    devices = ["cpu", "cuda", *[f"cuda:{number}" for number in range(1, cupy.cuda.runtime.getDeviceCount())]]
    for device in devices:
        checked, net = param(settings, tmp_path), NET + ACCURACY
        found[device] = train(Solver(checked, fed(net), [fed(net, "TEST")], seed=1, device=device))
    for device in devices[1:]:
        assert found[device].keys() == found["cpu"].keys()
        for layer, arrays in found["cpu"].items():
            for one, other in zip(arrays, found[device][layer], strict=True):
                np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)
