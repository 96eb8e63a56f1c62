"""Small solvers, made from text, fed by a function in the place of data layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format

from thinktwice.caffe_models import schema
from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.phases import for_state
from thinktwice.solver.definition import Reader
from thinktwice.solver.feed import FedNet
from thinktwice.solver.solver import Solver

from ..nets import data, layer, relu

IMAGES = (4, 2, 6, 6)
MSRA = 'weight_filler { type: "msra" }'
NET = (
    data(*IMAGES)
    + data(4, name="label")
    + layer("conv", "Convolution", "data", f"convolution_param {{ num_output: 4 kernel_size: 3 bias_term: false {MSRA} }}")
    + layer("bn", "BatchNorm", "conv")
    + layer("scale", "Scale", "bn", "scale_param { bias_term: true }") + relu("scale")
    + layer("drop", "Dropout", "scale")
    + layer("fc", "InnerProduct", "drop", f"inner_product_param {{ num_output: 3 {MSRA} }}")
    + layer("loss", "SoftmaxWithLoss", "fc label")
)  # fmt: skip
ACCURACY = layer("accuracy", "Accuracy", "fc label", "include { phase: TEST }")


def batch(number: int) -> dict[str, np.ndarray]:
    """Images of three classes, other ones for every number."""
    rng = np.random.default_rng(number)
    label = rng.integers(0, 3, IMAGES[0])
    images = rng.normal(size=IMAGES) + label[:, None, None, None]
    return {"data": images.astype(np.float32), "label": label.astype(np.float32)}


def param(settings: str, folder: Path) -> Any:
    """A checked ``SolverParameter`` whose snapshots go to ``folder``."""
    defaults = schema.new("SolverParameter", lr_policy="fixed", base_lr=0.05, max_iter=8, snapshot_after_train=False)
    defaults.MergeFrom(text_format.Parse(settings, schema.new("SolverParameter")))
    if not defaults.HasField("snapshot_prefix"):
        defaults.snapshot_prefix = str(folder / "run")
    defaults.net_param.layer.add(name="none", type="Input", top=["none"])
    del defaults.test_iter[:]
    defaults.test_interval = 0
    return Reader(defaults, "solver.prototxt").definition().param


def fed(text: str, phase: str = "TRAIN", feed: Any = batch) -> FedNet:
    message = for_state(parse_net(text), phase=phase)
    return FedNet(message, feed, message, "net.prototxt")


def solver(settings: str, folder: Path, text: str = NET, feed: Any = batch, seed: int = 1, tests: str = "") -> Solver:
    """A solver of ``text``; ``tests``: test_iter and test_interval, for the same net in phase TEST."""
    checked = param(settings, folder)
    text_format.Merge(tests, checked)
    test_nets = [fed(text, "TEST", feed) for _ in checked.test_iter]
    return Solver(checked, fed(text, feed=feed), test_nets, seed=seed)


def train(made: Solver) -> dict[str, tuple[np.ndarray, ...]]:
    """The weights at the end."""
    for _ in made.run():
        pass
    return dict(made.weights().blobs)


def same(first: dict[str, tuple[np.ndarray, ...]], second: dict[str, tuple[np.ndarray, ...]]) -> bool:
    """Whether all weights are the same, bit for bit."""
    return first.keys() == second.keys() and all(
        a.tobytes() == b.tobytes() for layer in first for a, b in zip(first[layer], second[layer], strict=True)
    )
