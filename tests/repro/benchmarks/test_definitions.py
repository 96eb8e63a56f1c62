"""The nets that benchmarks write themselves are the Model Zoo's."""

from __future__ import annotations

import pytest

from thinktwice.caffe_models.definition import parse_net, read_net
from thinktwice.executor.graph import Graph
from thinktwice.executor.summary import Row, summarise
from thinktwice.repro.benchmarks.definitions import DEFINITIONS, googlenet, squeezenet, vgg16

FILES = {
    "googlenet": (googlenet(), "zoo_prototxt/bvlc_googlenet_deploy.prototxt"),
    "squeezenet": (squeezenet(227), "squeezenet_v1.0/deploy.prototxt"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_layer_is_the_real_files(shared, name):
    text, file = FILES[name]
    written, real = summarise(Graph(parse_net(text))), summarise(Graph(read_net(shared / "models" / file)))
    assert [_facts(row) for row in written.rows[1:]] == [
        _facts(row) for row in real.rows[1:]
    ]  # the inputs' names differ
    assert written.multiply_adds == real.multiply_adds


def _facts(row: Row) -> tuple:
    shapes = [shape and shape[1:] for shape in row.top_shapes]
    return row.name, row.type, row.bottoms, row.tops, shapes, row.parameters, row.multiply_adds


def test_vgg16_has_the_papers_number_of_parameters():
    found = summarise(Graph(parse_net(vgg16())))
    assert found.parameters == 138_357_544  # "138 million", table 2 of the paper, biases included
    assert found.multiply_adds == 15_470_264_320


@pytest.mark.parametrize("name", DEFINITIONS)
def test_other_sides_will_do(name):
    shapes = Graph(parse_net(DEFINITIONS[name](256))).shapes()
    assert shapes[-1] is not None
    assert shapes[-1][:2] == (1, 1000)
