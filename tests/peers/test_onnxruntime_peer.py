"""onnxruntime's forward passes find what ours find."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `cpu`")

from thinktwice.caffe_models.definition import parse_net
from thinktwice.executor.device import Device
from thinktwice.executor.load import build
from thinktwice.repro.benchmarks import methods
from thinktwice.repro.benchmarks.definitions import squeezenet
from thinktwice.repro.benchmarks.models import Model
from thinktwice.repro.benchmarks.race import distance

from . import onnxruntime_peer


def test_forward_agrees_with_ours():
    onnxruntime_peer.prepare(Device.named("cpu"), 1)
    net = build(parse_net(squeezenet(40)), device="cpu", seed=0)
    job = methods.job_of(methods.Case(Model("squeezenet"), "forward", 2), net)
    (way,) = onnxruntime_peer.method_ways(job).values()
    assert distance(methods.ours(job)(), np.asarray(way())) < 1e-5


def test_it_has_nothing_but_forward_passes():
    net = build(parse_net(squeezenet(40)), device="cpu", seed=0)
    assert onnxruntime_peer.method_ways(methods.job_of(methods.Case(Model("squeezenet"), "gradient"), net)) == {}
