"""The schema is Caffe's, and lives beside any other ``caffe.proto``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2

from thinktwice.caffe_models import schema

FieldProto = descriptor_pb2.FieldDescriptorProto


def test_known_numbers():
    layer = schema.message("LayerParameter").DESCRIPTOR.fields_by_name
    assert (layer["blobs"].number, layer["convolution_param"].number, layer["feedback_param"].number) == (7, 106, 20150)
    assert schema.enum("Phase") == {"TRAIN": 0, "TEST": 1}
    assert schema.enum("V1LayerParameter.LayerType")["RELUPLUS"] == 1000
    assert schema.new("LRNParameter").beta == 0.75
    assert schema.new("PoolingParameter").pool == schema.enum("PoolingParameter.PoolMethod")["MAX"]


def test_every_field_and_value_is_caffes(shared: Path):
    facts = json.loads((shared / "spec/caffe_wire_format.json").read_text())
    for name, fields in facts["messages"].items():
        own = descriptor_pb2.DescriptorProto()
        schema.message(name).DESCRIPTOR.CopyToProto(own)
        assert {_fact(field) for field in own.field} - OURS == {_expected(field) for field in fields}, name
    for name, values in facts["enums"].items():
        ours = {"RELUPLUS": 1000} if name == "V1LayerParameter.LayerType" else {}
        assert schema.enum(name) == values | ours


OURS = {
    (20150, "feedback_param", "optional", "caffe.FeedbackParameter", "", False),
    (20151, "augmentation_param", "optional", "caffe.AugmentationParameter", "", False),
}


def _fact(field: descriptor_pb2.FieldDescriptorProto) -> tuple:
    label = FieldProto.Label.Name(field.label).removeprefix("LABEL_").lower()
    kind = field.type_name.lstrip(".") or FieldProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    return field.number, field.name, label, kind, _number(kind, field.default_value), field.options.packed


def _expected(fact: dict) -> tuple:
    default = _number(fact["type"], fact.get("default", ""))
    return fact["number"], fact["name"], fact["label"], fact["type"], default, fact.get("packed", False)


def _number(kind: str, default: str) -> object:
    return float(np.float32(default)) if kind == "float" and default else default


OTHER_CAFFE = """
from google.protobuf import descriptor_pb2, descriptor_pool
file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
net = file.message_type.add(name="NetParameter")
net.field.add(name="other", number=1, label=1, type=5)
"""
REGISTER = "descriptor_pool.Default().Add(file)\n"
OURS_WORKS = """
from thinktwice.caffe_models.definition import parse_net
assert parse_net('layer { name: "a" type: "ReLU" }').layer[0].type == "ReLU"
"""
OTHERS_WORKS = """
from google.protobuf import message_factory
other = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter"))
assert other(other=3).SerializeToString() == bytes([8, 3])
"""


@pytest.mark.parametrize("order", [REGISTER + OURS_WORKS, OURS_WORKS + REGISTER], ids=["before", "after"])
def test_another_caffe_proto_in_the_process(order: str):
    subprocess.run([sys.executable, "-c", OTHER_CAFFE + order + OTHERS_WORKS + OURS_WORKS], check=True, timeout=60)


def test_the_pure_python_protobuf_reads_it_too():
    program = "import os; os.environ['PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION'] = 'python'\n" + OURS_WORKS
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
