"""Pictures whose objects are known, as the package brings them along."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from thinktwice.errors import BadInput
from thinktwice.repro.datasets.annotated import annotated


def test_a_class_has_one_box_or_a_list_of_them(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    for name in ("b.png", "a.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    boxes = {"cat": [1, 2, 3, 4], "dog": [[0, 0, 5, 6], [7, 8, 9, 10]]}
    (tmp_path / "scenes.json").write_text(json.dumps({"b.png": boxes, "a.png": {}}))
    first, second = annotated(tmp_path)
    assert (first.file, second.file, second.boxes) == ("b.png", "a.png", {})  # as listed
    np.testing.assert_array_equal(first.image, pixels)
    assert {name: found.tolist() for name, found in first.boxes.items()} == {"cat": [[1, 2, 3, 4]], "dog": boxes["dog"]}


def test_a_missing_picture_is_named(tmp_path):
    (tmp_path / "scenes.json").write_text('{"no.png": {"cat": [1, 2, 3, 4]}}')
    with pytest.raises(BadInput, match=r"no\.png"):
        annotated(tmp_path)
