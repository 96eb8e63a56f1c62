"""The hand-written torch equivalents find what ours find: in double precision, where nothing flips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is no dependency: its peers are tested where it is installed")

from thinktwice.caffe_models.definition import parse_net
from thinktwice.errors import BadInput
from thinktwice.executor.device import Device
from thinktwice.executor.load import build
from thinktwice.repro.benchmarks import kernels, layers, methods, race
from thinktwice.repro.benchmarks.clock import Pace, Sample
from thinktwice.repro.benchmarks.models import Model
from thinktwice.repro.benchmarks.race import Setting, distance

from . import torch_peer
from .torch_net import TorchNet

NET = """name: "branches"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 15 dim: 20 } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1"
  convolution_param { num_output: 6 kernel_h: 3 kernel_w: 5 pad_h: 1 pad_w: 0 stride: 1 } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "n1" type: "LRN" bottom: "c1" top: "n1" lrn_param { local_size: 3 alpha: 0.01 k: 2 } }
layer { name: "p1" type: "Pooling" bottom: "n1" top: "p1" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "left" type: "Convolution" bottom: "p1" top: "left"
  convolution_param { num_output: 4 kernel_size: 3 pad: 2 dilation: 2 group: 2 } }
layer { name: "rl" type: "ReLU" bottom: "left" top: "left" }
layer { name: "pp" type: "Pooling" bottom: "p1" top: "pp" pooling_param { pool: AVE kernel_size: 3 stride: 1 pad: 1 } }
layer { name: "right" type: "Convolution" bottom: "pp" top: "right" convolution_param { num_output: 5 kernel_size: 1 } }
layer { name: "rr" type: "ReLU" bottom: "right" top: "right" }
layer { name: "both" type: "Concat" bottom: "left" bottom: "right" top: "both" }
layer { name: "p2" type: "Pooling" bottom: "both" top: "p2" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "f1" type: "InnerProduct" bottom: "p2" top: "f1" inner_product_param { num_output: 8 } }
layer { name: "rf" type: "ReLU" bottom: "f1" top: "f1" }
layer { name: "drop" type: "Dropout" bottom: "f1" top: "f1" }
layer { name: "f2" type: "InnerProduct" bottom: "f1" top: "f2" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "f2" top: "prob" }
"""
SUM = NET.replace(
    'layer { name: "both" type: "Concat" bottom: "left" bottom: "right" top: "both" }',
    'layer { name: "both" type: "Eltwise" bottom: "left" bottom: "right" top: "both" eltwise_param { operation: SUM } }',
).replace("num_output: 5", "num_output: 4")
CASES = [("forward", 2, 1), ("gradient", 2, 1), ("mwp", 2, 3), ("feedback", 2, 1)]


@pytest.fixture(autouse=True)
def prepared():
    torch_peer.prepare(Device.named("cpu"), 1)


@pytest.fixture
def setting() -> Setting:
    pace = Pace(samples=1, seconds=0, sample=0, pause=0)
    return Setting(Device.named("cpu"), 1, pace, Sample(1e-9, 0.0), {"torch": torch_peer})


def job(text: str, method: str, images: int, targets: int, seed: int = 0) -> methods.Job:
    net = build(parse_net(text), device="cpu", dtype="float64", seed=seed)
    return methods.job_of(methods.Case(Model("made"), method, images, targets), net, seed)


def errors(of: methods.Job) -> dict[str, float]:
    ours = methods.ours(of)()
    assert abs(ours).max() > 0
    return {label: distance(ours, way().numpy()) for label, way in torch_peer.method_ways(of).items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_methods_agree_with_ours(case):
    found = errors(job(NET, *case))
    assert set(found) == ({"torch", "torch channels_last"} if case[0] in ("forward", "gradient") else {"torch"})
    assert max(found.values()) < 1e-9


@pytest.mark.parametrize("iterations", [0, 1, 4])
def test_feedback_agrees_after_any_number_of_steps(iterations):
    of = replace(job(NET, "feedback", 1, 1, seed=3), iterations=iterations)
    assert max(errors(of).values()) < 1e-9


@pytest.mark.parametrize("case", CASES[:2] + CASES[3:], ids=lambda case: case[0])
def test_sums_of_branches_agree_too(case):
    assert max(errors(job(SUM, *case)).values()) < 1e-9


def test_excitation_backprop_through_a_sum_is_refused():
    with pytest.raises(BadInput, match=r"'both'.*'Eltwise'"):
        errors(job(SUM, "mwp", 1, 1))


def test_layers_that_torch_has_no_call_for_are_refused():
    text = NET.replace('type: "Softmax"', 'type: "ArgMax"')
    with pytest.raises(BadInput, match=r"'prob'.*'ArgMax'"):
        TorchNet(build(parse_net(text), device="cpu", seed=0))


def test_what_the_caller_gave_is_not_overwritten():
    of = job('layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 3 dim: 4 } } }'
             'layer { name: "r" type: "ReLU" bottom: "data" top: "data" }'
             'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 2 kernel_size: 1 } }',
             "forward", 1, 1)  # fmt: skip
    way = torch_peer.method_ways(of)["torch"]
    assert np.array_equal(way().numpy(), way().numpy())
    assert distance(methods.ours(of)(), way().numpy()) < 1e-9
    net = TorchNet(of.net)
    given = net.tensor(of.image)
    net.forward({"data": given}, "c")
    assert np.array_equal(given.numpy(), of.image)


def test_every_layer_alone_agrees_with_ours(setting, tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    model = Model("net", str(tmp_path / "net.prototxt"))
    compared = 0
    for name, make in layers.entries(setting, model):
        row = make()
        assert row["agrees"], (name, row["errors"])
        compared += "torch" in row["errors"]
    assert compared == 2 * 15  # of every kind, forward and gradient


@pytest.mark.parametrize("make", kernels.KERNELS)
def test_every_operator_agrees_with_its_kernel(setting, make):
    of = kernels.race_of(make(np.random.default_rng(0), (2, 3, 9, 11)), setting)
    if not of.peers:
        pytest.skip("torch has no operator of its own for it")
    try:
        found = race.parity(of)
    except BadInput as error:
        pytest.skip(str(error))
    assert max(found.values()) <= of.bound
