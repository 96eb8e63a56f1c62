"""V0 and V1 become V2 as in Caffe's own upgrade."""

from __future__ import annotations

import pytest

from thinktwice.caffe_models import schema
from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.upgrade import V0_FIELDS, V0_PARAMS, V0_TRANSFORM, V0_TYPES, V1_TYPES
from thinktwice.errors import BadInput

from .examples import SMALL, small_net


def test_v2_stays_as_it_is():
    net = small_net()
    assert parse_net(str(net)) == net


def test_v0_layer():
    net = parse_net("""
        layers { bottom: "data" top: "conv1" layer {
            name: "conv1" type: "conv" num_output: 8 kernelsize: 5 stride: 2 group: 2 biasterm: false
            weight_filler { type: "gaussian" std: 0.01 } blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 } }
        layers { bottom: "conv1" top: "pool1" layer { name: "pool1" type: "pool" pool: AVE kernelsize: 3 stride: 2 } }
        layers { bottom: "pool1" top: "loss" layer { name: "loss" type: "softmax_loss" } }
        input: "data" input_dim: 1 input_dim: 4 input_dim: 9 input_dim: 9
    """)
    assert net == parse_net("""
        layer { name: "input" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 dim: 9 dim: 9 } } }
        layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
            param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
            convolution_param { num_output: 8 bias_term: false kernel_size: 5 stride: 2 group: 2
                                weight_filler { type: "gaussian" std: 0.01 } } }
        layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
            pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "pool1" top: "loss" }
    """)


def test_v0_padding_is_folded_into_every_reader():
    net = parse_net("""
        layers { top: "x" layer { name: "x" type: "data" source: "db" batchsize: 1 cropsize: 9 } }
        layers { bottom: "x" top: "p" layer { name: "p" type: "padding" pad: 2 } }
        layers { bottom: "p" top: "a" layer { name: "a" type: "conv" num_output: 1 kernelsize: 5 } }
        layers { bottom: "p" top: "b" layer { name: "b" type: "pool" kernelsize: 3 } }
    """)
    data, conv, pool = net.layer
    assert (data.transform_param.crop_size, data.data_param.batch_size) == (9, 1)
    assert (list(conv.bottom), list(conv.convolution_param.pad)) == (["x"], [2])
    assert (list(pool.bottom), pool.pooling_param.pad) == (["x"], 2)


def test_v1_layer():
    net = parse_net("""
        layers { name: "a" type: CONVOLUTION bottom: "d" top: "a" convolution_param { num_output: 2 kernel_size: 1 }
            param: "w" param: "b" blob_share_mode: STRICT blob_share_mode: PERMISSIVE
            blobs_lr: 1 blobs_lr: 2 weight_decay: 3 include { phase: TEST } loss_weight: 0.5 }
    """)
    assert net == parse_net("""
        layer { name: "a" type: "Convolution" bottom: "d" top: "a" convolution_param { num_output: 2 kernel_size: 1 }
            param { name: "w" share_mode: STRICT lr_mult: 1 decay_mult: 3 }
            param { name: "b" share_mode: PERMISSIVE lr_mult: 2 }
            include { phase: TEST } loss_weight: 0.5 }
    """)


@pytest.mark.parametrize(
    ("kind", "param"),
    [("DATA", "data_param"), ("IMAGE_DATA", "image_data_param"), ("WINDOW_DATA", "window_data_param")],
)
def test_data_transformation_moves(kind: str, param: str):
    own = f'{param} {{ source: "s" scale: 0.5 mean_file: "m" crop_size: 7 mirror: true }}'
    net = parse_net(f'layers {{ name: "d" type: {kind} top: "d" {own} }}')
    transform = net.layer[0].transform_param
    assert (transform.scale, transform.mean_file, transform.crop_size, transform.mirror) == (0.5, "m", 7, True)
    assert [f.name for f, _ in getattr(net.layer[0], param).ListFields()] == ["source"]


def test_several_inputs_are_one_layer_named_input():
    net = parse_net('input: "a" input: "b" input_shape { dim: 2 dim: 3 } input_shape { dim: 2 }' + SMALL)
    first = net.layer[0]
    assert (first.name, first.type, list(first.top)) == ("input", "Input", ["a", "b"])
    assert [list(shape.dim) for shape in first.input_param.shape] == [[2, 3], [2]]
    assert not (net.input or net.input_shape or net.input_dim)


def test_an_input_without_a_shape_stays_an_input():
    assert not parse_net('input: "data"').layer[0].input_param.shape


def test_batch_norm_statistics_do_not_learn():
    text = 'layer { name: "bn" type: "BatchNorm" %s }'
    three = parse_net(text % ("param { lr_mult: 1 decay_mult: 1 }" * 3)).layer[0].param
    assert [(spec.lr_mult, spec.decay_mult) for spec in three] == [(0, 0)] * 3
    assert parse_net(text % "param { lr_mult: 2 }").layer[0].param[0].lr_mult == 2


def test_reluplus_is_a_relu_and_a_gate():
    net = parse_net('layers { name: "r" type: RELUPLUS bottom: "x" top: "y" exclude { phase: TRAIN } }')
    relu, gate = net.layer
    assert (relu.type, list(relu.bottom), list(relu.top)) == ("ReLU", ["x"], ["y"])
    assert (gate.name, gate.type, list(gate.bottom), list(gate.top)) == ("r_feedback", "Feedback", ["y"], ["y"])
    assert relu.exclude == gate.exclude


V0 = 'layers {{ bottom: "x" top: "y" layer {{ name: "l" {} }} }}'
REFUSED = {
    "unknown V0 type": (V0.format('type: "convv"'), ["layer 'l'", "'convv'", "'conv'"]),
    "misplaced V0 setting": (V0.format('type: "relu" num_output: 3'), ["layer 'l'", "`num_output`", "'relu'"]),
    "V0 reshape": (V0.format('type: "flatten" new_num: 3'), ["layer 'l'", "`new_num`"]),
    "setting beside V0": ('layers { type: RELU layer { name: "l" type: "relu" } }', ["layer 'l'", "type beside"]),
    "V1 among V0": (V0.format('type: "relu"') + 'layers { name: "m" type: RELU }', ["layer 'm'", "V1 among V0"]),
    "padding before relu": (
        V0.format('type: "padding" pad: 1') + 'layers { bottom: "y" layer { name: "m" type: "relu" } }',
        ["layer 'm'", "padding layer 'l'"],
    ),
    "V1 without type": ('layers { name: "l" }', ["layer 'l'", "no type"]),
    "V1 and V2": ('layers { name: "l" type: RELU } layer { name: "m" type: "ReLU" }', ["'l'", "'m'", "`layers`"]),
    "too few input_dim": ('input: "data" input_dim: 1 input_dim: 3', ["need 4 input_dim, found 2"]),
    "too few input_shape": ('input: "a" input: "b" input_shape { dim: 1 }', ["2 inputs", "found 1"]),
    "both kinds of shape": ('input: "a" input_shape { dim: 1 } input_dim: 1', ["input_shape and input_dim"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_upgraded_is_refused(name: str):
    text, expected = REFUSED[name]
    with pytest.raises(BadInput) as error:
        parse_net(text, "x.prototxt")
    assert all(part in str(error.value) for part in ["x.prototxt: ", *expected]), str(error.value)


def test_the_tables_are_complete():
    assert set(V1_TYPES) == set(schema.enum("V1LayerParameter.LayerType"))
    assert set(V0_TYPES.values()) <= set(V1_TYPES)
    v1, v2 = (schema.message(name).DESCRIPTOR.fields_by_name for name in ("V1LayerParameter", "LayerParameter"))
    moved = {"type", "layer", "param", "blob_share_mode", "blobs_lr", "weight_decay"}
    assert set(v1) - moved <= set(v2)
    v0 = set(schema.message("V0LayerParameter").DESCRIPTOR.fields_by_name)
    refused_by_caffe_too = {"new_num", "new_channels"}
    copied = {"name", "type", "blobs", "blobs_lr", "weight_decay", "hdf5_output_param"}
    assert v0 == set(V0_FIELDS) | set(V0_TRANSFORM) | copied | refused_by_caffe_too
    for name, types in V0_FIELDS.values():
        for kind in types.split():
            assert name in v1[V0_PARAMS[kind]].message_type.fields_by_name
