"""Data layers as a feed: inputs in their place, batches ahead of time, and nets that nothing feeds."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.phases import for_state
from thinktwice.errors import BadInput
from thinktwice.solver.definition import TrainingNet
from thinktwice.solver.feed import Ahead, open_net

from ..nets import data

DUMMY = """
layer { name: "images" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 4 dim: 2 } shape { dim: 4 } data_filler { type: "uniform" } data_filler { value: 3 } } }
layer { name: "more" type: "DummyData" top: "other" dummy_data_param { shape { dim: 1 } } }
layer { name: "r" type: "ReLU" bottom: "data" top: "r" }
"""


def training_net(text: str) -> TrainingNet:
    return TrainingNet(for_state(parse_net(text), phase="TRAIN"), "net.prototxt", Path())


def test_inputs_take_the_place_of_data_layers() -> None:
    net = open_net(training_net(DUMMY), "TRAIN", seed=1)
    assert [(layer.name, layer.type, list(layer.top)) for layer in net.message.layer] == [
        ("images", "Input", ["data", "label"]),
        ("more", "Input", ["other"]),
        ("r", "ReLU", ["r"]),
    ]
    assert [list(shape.dim) for shape in net.message.layer[0].input_param.shape] == [[4, 2], [4]]
    assert [layer.type for layer in net.stored.layer] == ["DummyData", "DummyData", "ReLU"]
    first, again = net.batch(0), open_net(training_net(DUMMY), "TRAIN", seed=1).batch(0)
    assert {blob: array.shape for blob, array in first.items()} == {"data": (4, 2), "label": (4,), "other": (1,)}
    assert np.array_equal(first["data"], again["data"]) and (first["label"] == 3).all()


def test_an_input_is_fed_by_nobody() -> None:
    with pytest.raises(
        BadInput, match=r"net.prototxt: layer 'x' \(Input\): found an input that nothing feeds, expected a data"
    ):
        open_net(training_net(data(1, name="x") + DUMMY), "TRAIN", seed=0)


def test_the_next_batch_is_made_beforehand_and_none_twice() -> None:
    asked, made = [], threading.Event()

    def feed(number: int) -> dict[str, np.ndarray]:
        asked.append(number)
        if number == 1:
            made.set()
        return {"x": np.array(number)}

    ahead = Ahead(feed)
    assert ahead(0)["x"] == 0 and made.wait(timeout=10)
    assert [ahead(number)["x"] for number in (1, 2, 7, 8)] == [1, 2, 7, 8]
    assert asked.count(1) == asked.count(2) == asked.count(8) == 1


def test_a_batch_that_fails_fails_when_it_is_asked_for() -> None:
    def feed(number: int) -> dict[str, np.ndarray]:
        if number == 1:
            raise BadInput("picture 1 is broken")
        return {}

    ahead = Ahead(feed)
    assert ahead(0) == {}
    with pytest.raises(BadInput, match="picture 1 is broken"):
        ahead(1)
