"""The deploy view of a training definition."""

from __future__ import annotations

from typing import Any

import pytest

from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.deploy import Notes, deploy_view
from thinktwice.caffe_models.phases import for_state

TRAIN_VAL = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { batch_size: 256 } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
        transform_param { crop_size: 227 mean_value: 104 mean_value: 117 mean_value: 123 } data_param { batch_size: 50 } }
layer { name: "fc8" type: "InnerProduct" bottom: "data" top: "fc8" }
layer { name: "accuracy" type: "Accuracy" bottom: "fc8" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" top: "loss" }
layer { name: "total" type: "Power" bottom: "loss" top: "total" }
"""


def inputs(net: Any) -> dict[str, list[list[int]]]:
    return {
        layer.top[0]: [list(shape.dim) for shape in layer.input_param.shape]
        for layer in net.layer
        if layer.type == "Input"
    }


def test_labels_and_what_needs_them_are_left_out():
    net = for_state(parse_net(TRAIN_VAL))
    before = net.SerializeToString()
    view, notes = deploy_view(net)
    assert [layer.name for layer in view.layer] == ["data", "fc8"]
    assert inputs(view) == {"data": [[50, 3, 227, 227]]}
    assert list(view.layer[0].transform_param.mean_value) == [104, 117, 123]
    assert [line.split(":")[0] for line in notes.left_out] == [
        "blob 'label'",
        "layer 'accuracy' (Accuracy)",
        "layer 'loss' (SoftmaxWithLoss)",
        "layer 'total' (Power)",
    ]
    assert (notes.assumed, notes.unknown) == ((), ())
    assert net.SerializeToString() == before


def test_labels_may_stay():
    view, notes = deploy_view(for_state(parse_net(TRAIN_VAL)), labels=True)
    assert inputs(view) == {"data": [[50, 3, 227, 227]], "label": [[50]]}
    assert len({layer.name for layer in view.layer}) == len(view.layer) == 6
    assert notes == Notes()


READ = 'layer { name: "conv" type: "Convolution" bottom: "x" top: "c" }'
SHAPES = {
    "ImageData": ('type: "ImageData" image_data_param { batch_size: 4 new_height: 30 new_width: 40 }', [4, 3, 30, 40]),
    "ImageData, gray": (
        'type: "ImageData" image_data_param { new_height: 3 new_width: 4 is_color: false }',
        [1, 1, 3, 4],
    ),
    "cropped": ('type: "ImageData" image_data_param { new_height: 9 } transform_param { crop_size: 7 }', [1, 3, 7, 7]),
    "forced gray": (
        'type: "Data" data_param { batch_size: 2 } transform_param { crop_size: 7 force_gray: true }',
        [2, 1, 7, 7],
    ),
    "WindowData": (
        'type: "WindowData" window_data_param { batch_size: 8 } transform_param { crop_size: 5 }',
        [8, 3, 5, 5],
    ),
    "MemoryData": (
        'type: "MemoryData" memory_data_param { batch_size: 2 channels: 1 height: 3 width: 4 }',
        [2, 1, 3, 4],
    ),
    "DummyData": ('type: "DummyData" dummy_data_param { shape { dim: 2 dim: 5 } }', [2, 5]),
    "older DummyData": ('type: "DummyData" dummy_data_param { num: 1 channels: 2 height: 3 width: 4 }', [1, 2, 3, 4]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str):
    text, shape = SHAPES[name]
    view, notes = deploy_view(parse_net(f'layer {{ name: "d" top: "x" {text} }}' + READ))
    assert inputs(view) == {"x": [shape]}
    assert not notes.unknown


def test_what_is_assumed_is_said():
    text = 'layer { name: "d" type: "Data" top: "x" transform_param { crop_size: 7 } }'
    _, notes = deploy_view(parse_net(text + READ))
    assert notes.assumed == (
        "'x': batch size 1, since layer 'd' gives none",
        "'x': 3 channels (colour), since layer 'd' does not say",
    )


@pytest.mark.parametrize("text", ['type: "Data" data_param { batch_size: 64 scale: 0.1 }', 'type: "HDF5Data"'])
def test_an_unknown_size_is_said(text: str):
    view, notes = deploy_view(parse_net(f'layer {{ name: "d" top: "x" {text} }}' + READ))
    assert inputs(view) == {"x": []}
    assert len(notes.unknown) == 1
    assert "--shape x=N,C,H,W" in notes.unknown[0]


def test_a_target_that_something_else_reads_is_no_label():
    net = parse_net("""
        layer { name: "d" type: "MemoryData" top: "x" top: "y" memory_data_param { batch_size: 2 channels: 1 height: 3 width: 4 } }
        layer { name: "e" type: "Embed" bottom: "y" top: "e" }
        layer { name: "l" type: "EuclideanLoss" bottom: "e" bottom: "x" top: "l" }
    """)
    view, _ = deploy_view(net)
    assert inputs(view) == {"y": [[2]]}
    assert [layer.name for layer in view.layer] == ["d_y", "e"]


def test_input_layers_stay():
    net = parse_net("""
        layer { name: "in" type: "Input" top: "x" top: "label" }
        layer { name: "l" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" top: "l" }
    """)
    assert deploy_view(net) == (net, Notes())
