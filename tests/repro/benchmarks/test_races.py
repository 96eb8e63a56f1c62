"""Nothing is timed before results agree; what is told of a race follows from its times."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from thinktwice.cuda import kernels as cuda_kernels
from thinktwice.executor.device import Device
from thinktwice.repro.benchmarks import kernels, layers, methods, race
from thinktwice.repro.benchmarks.clock import Pace, Sample
from thinktwice.repro.benchmarks.models import Model
from thinktwice.repro.benchmarks.race import Race, Setting, distance, run

FAST = Pace(samples=1, seconds=0, sample=0, pause=0)
NET = """name: "tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 14 dim: 18 } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" convolution_param { num_output: 6 kernel_size: 3 pad: 1 } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "p1" type: "Pooling" bottom: "c1" top: "p1" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "n1" type: "LRN" bottom: "p1" top: "n1" lrn_param { local_size: 3 alpha: 0.1 } }
layer { name: "c2" type: "Convolution" bottom: "n1" top: "c2" convolution_param { num_output: 6 kernel_size: 1 } }
layer { name: "r2" type: "ReLU" bottom: "c2" top: "c2" }
layer { name: "c3" type: "Convolution" bottom: "n1" top: "c3" convolution_param { num_output: 6 kernel_size: 1 } }
layer { name: "d3" type: "Dropout" bottom: "c3" top: "c3" }
layer { name: "fc" type: "InnerProduct" bottom: "c2" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


@pytest.fixture
def setting() -> Setting:
    return Setting(Device.named("cpu"), 1, FAST, Sample(1e-9, 0.0))


@pytest.fixture
def model(tmp_path) -> Model:
    (tmp_path / "tiny.prototxt").write_text(NET)
    return Model("tiny", str(tmp_path / "tiny.prototxt"))


def test_results_that_differ_are_told_and_not_timed(setting, monkeypatch):
    monkeypatch.setattr(race, "interleaved", lambda *_: pytest.fail("timed"))
    row = run(Race(lambda: np.ones(3), 1e-3, peers={"other": lambda: np.array([1, 1, 1.1])}), setting)
    assert not row["agrees"]
    assert row["errors"]["other"] > row["bound"] == 1e-3
    assert "times" not in row


def test_distance_is_relative_and_infinite_where_nothing_can_be_compared():
    assert distance(np.array([3.0, 4.5]), np.array([3.0, 4.0])) == pytest.approx(0.1)
    assert distance(np.zeros(2), np.zeros(2)) == 0
    assert distance(np.ones(2), np.zeros(2)) == float("inf")
    assert distance(np.ones(2), np.ones((2, 1))) == float("inf")
    assert distance(np.ones(2), np.array([1, np.nan])) == float("inf")


def test_a_row_tells_rates_and_ratios_of_its_medians(setting, monkeypatch):
    seconds = {"thinktwice": 2.0, "peer": 3.0, "half": 1.0, "copy": 0.5, "multiply-adds": 0.25}
    monkeypatch.setattr(race, "multiply_adds", lambda device, threads: (lambda: None, 5 * 10**8))

    def timed(ways, pace, synchronise):
        return {name: race.Times((Sample(seconds[name], 0.0),)) for name in ways}

    monkeypatch.setattr(race, "interleaved", timed)
    one = Race(lambda: np.ones(1), 0, {"peer": lambda: np.ones(1)}, yardsticks={"half": (4, lambda: None)}, operations=10**9,
               bytes=8)  # fmt: skip
    row = run(one, setting)
    assert row["ratios"] == {"peer": 1.5}
    assert row["of_peak"] == 0.25
    assert row["yardsticks"] == {"half": 0.5}
    assert (row["operations_per_second"], row["of_arithmetic"]) == (5e8, 0.5)
    assert (row["bytes_per_second"], row["of_copy"]) == (4, 0.25)
    monkeypatch.setattr(race, "multiply_adds", lambda device, threads: None)
    assert run(one, setting)["of_peak"] is None


@pytest.mark.parametrize("make", kernels.KERNELS)
def test_every_kernel_finds_what_numpy_finds(setting, make):
    kernel = make(np.random.default_rng(0), (2, 3, 8, 11))
    race_ = kernels.race_of(kernel, setting)
    try:
        errors = race.parity(race_)
    except kernels.BadInput as error:
        pytest.skip(str(error))
    assert errors["NumPy"] <= race_.bound
    assert kernel.name == make.__name__


def test_every_kernel_is_measured():
    known = {
        name for name, function in inspect.getmembers(cuda_kernels, inspect.isfunction) if not name.startswith("_")
    }
    helpers = {"launch", "lru_cache", "side_by_side", "tiles", "windows"}
    assert {make.__name__ for make in kernels.KERNELS} == known - helpers


def test_a_kernel_in_place_counts_what_it_reads_and_writes():
    shape = (2, 3, 8, 11)
    size = 4 * 2 * 3 * 8 * 11
    assert kernels.relu(np.random.default_rng(0), shape).bytes == 2 * size
    assert kernels.soft_step(np.random.default_rng(0), shape).bytes == 5 * size + 2 * 4 * 2


def test_layers_of_a_net_are_those_that_differ_and_compute_something(setting, model):
    names = [name for name, _ in layers.entries(setting, model)]
    expected = ["c1", "r1", "p1", "n1", "c2", "r2", "fc", "prob"]  # c3 is like c2, and d3 passes on
    assert names == [f"tiny {layer} {direction}" for layer in expected for direction in ("forward", "gradient")]


def test_a_layer_alone_computes_what_it_does_in_its_net(setting, model):
    net = layers.layer_net(model, "r1", setting, images=2)
    job = layers.job_of(net, "gradient")
    x, signal = job.inputs["c1"], job.signals["c1"]
    assert x.shape == (2, 6, 14, 18)
    assert np.array_equal(layers.ours(layers.job_of(net, "forward"))(), np.maximum(x, 0))
    assert np.array_equal(layers.ours(job)(), signal * (x > 0))


def test_standard_layers_exist_in_their_nets(setting):
    assert [name for name, _ in layers.entries(setting)][:2] == [
        "googlenet conv1/7x7_s2 forward",
        "googlenet conv1/7x7_s2 gradient",
    ]


@pytest.mark.parametrize("case", [("forward", 2, 1), ("gradient", 2, 1), ("mwp", 1, 3), ("feedback", 1, 1)], ids=str)
def test_every_method_has_a_row(setting, model, case):
    made = methods.Case(model, *case)
    row = methods._row(made, {}, setting)
    assert (row["method"], row["images"], row["targets"]) == case
    assert row["agrees"]
    assert row["times"]["thinktwice"]["samples"]
    assert bool(row["operations"]) == (case[0] in ("forward", "gradient"))


def test_a_gradient_counts_as_two_forward_passes(model):
    net = model.open("cpu")
    forward, gradient = (methods.job_of(methods.Case(model, method, 2), net) for method in ("forward", "gradient"))
    multiply_adds = 6 * 3 * 9 * 14 * 18 + 2 * 6 * 6 * 7 * 9 + 5 * 6 * 7 * 9
    assert methods._operations(forward) == 2 * 2 * multiply_adds
    assert methods._operations(gradient) == 2 * methods._operations(forward)


def test_targets_are_the_best_classes_of_the_first_image(model):
    net = model.open("cpu")
    job = methods.job_of(methods.Case(model, "mwp", 2, targets=3), net)
    scores = net.forward(data=job.image)["fc"][0]
    assert list(job.targets) == sorted(range(5), key=lambda k: -scores[k])[:3]
