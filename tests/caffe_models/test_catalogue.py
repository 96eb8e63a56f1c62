"""The models that are known by name."""

from __future__ import annotations

import hashlib
import re

import pytest

from thinktwice.caffe_models.catalogue import find_model, model_names
from thinktwice.errors import BadInput


def test_the_embedded_model_is_complete():
    model = find_model("figures")
    assert "figures" in model_names()
    assert all(path.is_file() for path in (model.prototxt, *model.weights, model.labels))
    assert model.weights[0].stat().st_size <= 300_000
    assert model.class_names == ["fish", "ladybird", "flower", "sailboat", "tree", "mushroom", "butterfly", "house"]


def test_its_readme_tells_the_checksums_of_its_weights():
    model = find_model("figures")
    told = model.weights[0].with_name("readme.md").read_text(encoding="utf-8")
    content = model.weights[0].read_bytes()
    assert re.search(r"^sha1: (\w+)$", told, re.MULTILINE)[1] == hashlib.sha1(content).hexdigest()
    assert re.search(r"^sha256: (\w+)$", told, re.MULTILINE)[1] == hashlib.sha256(content).hexdigest()


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(BadInput, match=r"found 'figure', expected one of .*nearest known name is 'figures'"):
        find_model("figure")
