"""The models that are known by name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from thinktwice.caffe_models.catalogue import EMBEDDED, MODELS, MULTI, find_model, model_names
from thinktwice.errors import BadInput
from thinktwice.executor.load import load_model

SINGLE = [name for name in MODELS if not name.endswith(MULTI)]
MB = 1 << 20


def test_four_nets_and_the_same_with_a_head_of_several_labels():
    assert SINGLE == ["scenes-alexnet", "scenes-vgg", "scenes-googlenet", "scenes-resnet"]
    assert model_names() == sorted([*SINGLE, *(name + MULTI for name in SINGLE)])


def test_together_they_are_small():
    assert sum(path.stat().st_size for path in EMBEDDED.rglob("*") if path.is_file()) < 4 * MB


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_complete(name: str):
    model = find_model(name)
    assert all(path.is_file() for path in (model.prototxt, *model.weights, model.labels))
    assert len(model.class_names) == 16 and model.class_names[0] == "zebra"
    net = load_model(model, device="cpu")
    height, width = (144, 192) if name.endswith(MULTI) else (96, 96)
    assert net.shapes()["data"] == (1, 3, height, width)
    data = np.random.default_rng(0).normal(size=(2, 3, height, width))
    probabilities = net.forward(data=data)[net.outputs[-1]]
    assert probabilities.reshape(2, -1).shape == (2, 16)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@pytest.mark.parametrize("name", ["scenes-alexnet", "scenes-vgg"])
def test_fully_connected_layers_slide_over_larger_pictures(name: str):
    """At 96 x 96 there is one position, and both nets see the same there."""
    one, several = (load_model(find_model(each), device="cpu", dtype="float64") for each in (name, name + MULTI))
    data = np.random.default_rng(0).normal(size=(2, 3, 96, 96))
    expected = one.forward(data=data)["fc7"]
    np.testing.assert_allclose(several.forward(data=data)["pool7"][..., 0, 0], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SINGLE)
def test_a_readme_tells_the_checksums_of_the_weights(name: str):
    told = (EMBEDDED / name / "readme.md").read_text(encoding="utf-8")
    assert re.search(rf"^name: {name}$", told, re.MULTILINE)
    for path, prefix in zip(find_model(name + MULTI).weights, ("", "multi_"), strict=True):
        assert_checksums(path, told, prefix)


def assert_checksums(path: Path, told: str, prefix: str):
    content = path.read_bytes()
    assert re.search(rf"^{prefix}caffemodel: (.+)$", told, re.MULTILINE)[1] == path.name
    assert re.search(rf"^{prefix}sha1: (\w+)$", told, re.MULTILINE)[1] == hashlib.sha1(content).hexdigest()
    assert re.search(rf"^{prefix}sha256: (\w+)$", told, re.MULTILINE)[1] == hashlib.sha256(content).hexdigest()


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(BadInput, match=r"found 'scenes-vg', expected one of .*nearest known name is 'scenes-vgg'"):
        find_model("scenes-vg")
