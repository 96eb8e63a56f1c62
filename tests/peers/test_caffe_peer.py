"""Caffe finds what ours find, and its peer asks it for no more than ours are asked for."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("caffe", reason="Caffe is no dependency: its peer is tested where its Python interface is built")

from thinktwice.caffe_models.definition import parse_net
from thinktwice.executor.device import Device
from thinktwice.executor.load import build
from thinktwice.repro.benchmarks import layers, methods
from thinktwice.repro.benchmarks.clock import Pace, Sample
from thinktwice.repro.benchmarks.definitions import googlenet
from thinktwice.repro.benchmarks.models import Model
from thinktwice.repro.benchmarks.race import Setting, distance

from . import caffe_peer

SEPARATE = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 11 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "r" }
layer { name: "p" type: "Pooling" bottom: "r" top: "p" pooling_param { kernel_size: 3 stride: 2 } }
"""


@pytest.fixture(autouse=True)
def prepared():
    caffe_peer.prepare(Device.named("cpu"), 1)


def job(text: str, method: str, images: int = 2) -> methods.Job:
    return methods.job_of(methods.Case(Model("made"), method, images), build(parse_net(text), device="cpu", seed=0))


@pytest.mark.parametrize("method", ["forward", "gradient"])
def test_a_net_in_caffe_agrees_with_ours(method):
    of = job(googlenet(), method)
    (way,) = caffe_peer.method_ways(of).values()
    assert distance(methods.ours(of)(), way()) < methods.BOUNDS[method]
    assert np.array_equal(way(), way())  # its blobs are its own from call to call


@pytest.mark.parametrize("direction", layers.DIRECTIONS)
@pytest.mark.parametrize("layer", ["c", "r", "p"])
def test_a_layer_in_caffe_agrees_too(layer, direction, tmp_path):
    (tmp_path / "net.prototxt").write_text(SEPARATE)
    setting = Setting(Device.named("cpu"), 1, Pace(), Sample(1e-9, 0.0))
    of = layers.job_of(layers.layer_net(Model("net", str(tmp_path / "net.prototxt")), layer, setting), direction)
    (way,) = caffe_peer.layer_ways(of).values()
    assert distance(layers.ours(of)(), way()) < layers.BOUND


def test_it_has_no_methods_of_attention_and_no_layers_that_caffe_lacks():
    assert caffe_peer.method_ways(job(googlenet(), "mwp", 1)) == {}
    assert caffe_peer.method_ways(job(SEPARATE.replace('"ReLU"', '"Feedback"'), "forward")) == {}
