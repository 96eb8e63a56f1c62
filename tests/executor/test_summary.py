"""Summaries: receptive fields against what gradients reach, and totals against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.phases import for_state
from thinktwice.executor.graph import Graph
from thinktwice.executor.load import build
from thinktwice.executor.summary import summarise

DATA = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 41 dim: 37 } } }\n'
CONV = (
    'layer { name: "%s" type: "Convolution" bottom: "%s" top: "%s" convolution_param { num_output: 4 %s'
    ' weight_filler { type: "constant" value: 0.1 } } }\n'
)
POOL = 'layer { name: "%s" type: "Pooling" bottom: "%s" top: "%s" pooling_param { pool: AVE %s } }\n'

NETS = {
    "a stack": DATA
    + CONV % ("c1", "data", "c1", "kernel_size: 5 stride: 2")
    + POOL % ("p1", "c1", "p1", "kernel_size: 3 stride: 2")
    + CONV % ("c2", "p1", "top", "kernel_size: 3"),
    "axes of their own": DATA
    + CONV % ("c1", "data", "c1", "kernel_h: 3 kernel_w: 5 stride_h: 1 stride_w: 2")
    + POOL % ("p1", "c1", "top", "kernel_h: 4 kernel_w: 2 stride_h: 2 stride_w: 1"),
    "holes": DATA
    + CONV % ("c1", "data", "c1", "kernel_size: 3 dilation: 3")
    + CONV % ("c2", "c1", "top", "kernel_size: 2"),
    "two paths": DATA
    + CONV % ("c1", "data", "c1", "kernel_size: 3 pad: 1")
    + CONV % ("c2", "data", "c2", "kernel_size: 7 pad: 3")
    + 'layer { name: "sum" type: "Eltwise" bottom: "c1" bottom: "c2" top: "top" }\n',
    "up and down": DATA
    + CONV % ("c1", "data", "c1", "kernel_size: 4 stride: 4")
    + (CONV % ("d1", "c1", "top", "kernel_size: 4 stride: 2 pad: 1")).replace("Convolution", "Deconvolution"),
    "LRN within channels": DATA
    + 'layer { name: "n" type: "LRN" bottom: "data" top: "top" lrn_param { local_size: 5 norm_region: WITHIN_CHANNEL } }\n',
    "pooling over all": DATA
    + CONV % ("c1", "data", "c1", "kernel_size: 2 stride: 2")
    + 'layer { name: "p" type: "Pooling" bottom: "c1" top: "top" pooling_param { pool: AVE global_pooling: true } }\n',
}


def graph_of(text):
    return Graph(for_state(parse_net(text)))


@pytest.mark.parametrize("text", NETS.values(), ids=NETS)
def test_the_receptive_field_is_what_a_gradient_reaches(text):
    net = build(for_state(parse_net(text)), device="cpu", dtype="float64", seed=0)
    field = summarise(net.graph).rows[-1].field
    trace = net.forward(data=np.random.default_rng(0).uniform(1, 2, (2, 3, 41, 37)))
    top = trace["top"]
    boxes = []
    for shift in (0, 2):
        row, column = (min(size // 2 + shift, size - 1) for size in top.shape[2:])
        signal = np.zeros_like(top)
        signal[0, 0, row, column] = 1
        reached = net.backward(trace, {"top": signal}, to=["data"])["data"][0].any(0)
        boxes.append([np.flatnonzero(reached.any(axis)) for axis in (1, 0)])
    sizes = [tuple(int(np.ptp(pixels)) + 1 for pixels in box) for box in boxes]
    assert field.size in sizes
    assert all(a <= b for size in sizes for a, b in zip(size, field.size, strict=True))
    if min(top.shape[2:]) > 1 and min(field.stride) >= 1:
        moved = tuple(b[0] - a[0] for a, b in zip(*boxes, strict=True))
        assert moved == tuple(2 * stride for stride in field.stride)


def test_multiply_adds_are_those_of_one_image():
    rows = summarise(graph_of(NETS["up and down"])).rows
    conv, deconv = rows[1], rows[2]
    assert conv.multiply_adds == 4 * 3 * 16 * 10 * 9
    assert deconv.multiply_adds == 4 * 10 * 9 * 4 * 16


def test_a_fully_connected_layer_sees_all_positions_even_when_they_are_flat():
    flat = (
        DATA
        + CONV % ("c1", "data", "c1", "kernel_size: 3 stride: 2")
        + 'layer { name: "f" type: "Flatten" bottom: "c1" top: "f" }\n'
        + 'layer { name: "ip" type: "InnerProduct" bottom: "f" top: "ip" inner_product_param { num_output: 6 } }\n'
    )
    rows = summarise(graph_of(flat)).rows
    assert rows[2].field.size == (3, 3)
    assert rows[3].field.size == (41, 37)
    assert rows[3].multiply_adds == 6 * 4 * 20 * 18


def test_shared_parameters_count_once():
    shared = 'param { name: "w" } param { name: "b" } '
    text = DATA + "".join(
        (CONV % (name, "data", name, "kernel_size: 3")).replace("convolution_param", shared + "convolution_param")
        for name in ("a", "b")
    )
    summary = summarise(graph_of(text))
    assert summary.parameters == 4 * 27 + 4
    assert [row.shared_with for row in summary.rows] == [None, None, "a"]


def test_what_is_not_known_is_none_and_named():
    text = NETS["a stack"].replace(" input_param { shape { dim: 2 dim: 3 dim: 41 dim: 37 } }", "")
    summary = summarise(graph_of(text))
    assert summary.unknown_inputs == ("data",)
    assert (summary.parameters, summary.multiply_adds) == (None, None)
    assert all(row.field is None for row in summary.rows)
    settled = summarise(graph_of(text), {"data": (2, 3, 41, 37)})
    assert settled == summarise(graph_of(NETS["a stack"]))
