"""What ``transform_param`` does to an image, against Caffe's loop, for every chance that can be drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from thinktwice.caffe_models import schema
from thinktwice.caffe_models.wire import encoded_blob
from thinktwice.errors import BadInput
from thinktwice.solver.data_layer import DataLayer
from thinktwice.solver.transformation import Transformation

from ..oracles.data_transformer import transform
from .making import layer

IMAGE = np.random.default_rng(0).integers(0, 256, (3, 5, 7), np.uint8)
MEAN = np.random.default_rng(1).uniform(80, 140, IMAGE.shape).astype(np.float32)


def made(text: str, folder, phase: str = "TRAIN", seed: int = 0) -> Transformation:
    return Transformation(DataLayer(layer("ImageData", transform=text), folder, phase, seed, "net.prototxt"))


@pytest.fixture
def mean_file(tmp_path):
    (tmp_path / "mean.binaryproto").write_bytes(b"".join(bytes(piece) for piece in encoded_blob(MEAN[None])))
    return tmp_path


MEANS = {"": None, "mean_value: 100.5": [100.5] * 3, "mean_value: 104 mean_value: 117 mean_value: 123": [104, 117, 123]}


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("crop", [0, 3, 4, 5])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("mean", [*MEANS, 'mean_file: "mean.binaryproto"'])
def test_every_draw_gives_caffes_numbers_and_every_draw_occurs(mean_file, phase, crop, mirror, mean):
    values = MEAN if "file" in mean else MEANS[mean] and np.array(MEANS[mean])
    step = made(f"scale: 0.0078125 crop_size: {crop} mirror: {str(mirror).lower()} {mean}", mean_file, phase)
    random_crop = crop and phase == "TRAIN"
    tops = range(5 - crop + 1) if random_crop else [(5 - crop) // 2 if crop else 0]
    lefts = range(7 - crop + 1) if random_crop else [(7 - crop) // 2 if crop else 0]
    possible = {
        transform(IMAGE, crop, flip, top, left, 0.0078125, values).tobytes(): (flip, top, left)
        for flip in ([False, True] if mirror else [False]) for top in tops for left in lefts
    }  # fmt: skip
    results = [step(IMAGE, number, "a.png") for number in range(20 * len(possible) if len(possible) > 1 else 1)]
    assert all(result.dtype == np.float32 and result.shape == step.shape(IMAGE.shape) for result in results)
    drawn = Counter(possible[np.ascontiguousarray(result).tobytes()] for result in results)
    assert set(drawn) == set(possible.values())
    assert max(drawn.values()) <= 50  # of 20 expected: no draw is preferred


def test_the_same_number_draws_the_same_and_the_image_is_left_alone(tmp_path):
    step, image = made("crop_size: 3 mirror: true mean_value: 7", tmp_path), IMAGE.copy()
    once = [step(image, number, "") for number in range(30)]
    again = [step(image, number, "") for number in reversed(range(30))]
    np.testing.assert_array_equal(once, again[::-1])
    np.testing.assert_array_equal(image, IMAGE)
    other = [made("crop_size: 3 mirror: true mean_value: 7", tmp_path, seed=1)(image, n, "") for n in range(30)]
    assert not np.array_equal(once, other)


def test_float_images_are_taken_as_they_are(tmp_path):
    image = IMAGE.astype(np.float32) / 3
    step = made("mean_value: 7 scale: 2", tmp_path)
    np.testing.assert_array_equal(step(image, 0, ""), (image - np.float32(7)) * 2)
    np.testing.assert_array_equal(image, IMAGE.astype(np.float32) / 3)


@pytest.mark.parametrize(
    ("text", "image", "line"),
    [
        (
            "crop_size: 6",
            (3, 5, 7),
            r"a.png: found 7 x 5 pixels, expected at least the 6 x 6 of transform_param.crop_size",
        ),
        (
            "mean_value: 1 mean_value: 2",
            (3, 5, 7),
            r"mean_value: found 2 numbers for a.png of 3 channels, expected one for",
        ),
        (
            "mean_value: 1 mean_value: 2 mean_value: 3",
            (1, 5, 7),
            r"mean_value: found 3 numbers for a.png of 1 channels",
        ),
        (
            'mean_file: "mean.binaryproto"',
            (3, 7, 5),
            r"mean.binaryproto: found a mean of 3 channels of 7 x 5 .* of 5 x 7",
        ),
        ('mean_file: "mean.binaryproto" crop_size: 3', (1, 5, 7), r"mean.binaryproto: found a mean of 3 channels"),
    ],
)
def test_an_image_that_does_not_fit_is_named(mean_file, text, image, line):
    with pytest.raises(BadInput, match=line):
        made(text, mean_file)(np.zeros(image, np.uint8), 0, "a.png")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            'mean_file: "mean.binaryproto" mean_value: 3',
            r"transform_param: found mean_file and mean_value, expected one",
        ),
        ("force_color: true force_gray: true", r"transform_param: found force_color and force_gray, expected one"),
        (
            'mean_file: "no.binaryproto"',
            r"transform_param.mean_file: found 'no.binaryproto', expected a file; there is none",
        ),
        ('mean_file: "empty"', r"empty: is empty"),
    ],
)
def test_settings_that_cannot_be_followed_are_named(mean_file, text, line):
    (mean_file / "empty").touch()
    with pytest.raises(BadInput, match=line):
        made(text, mean_file)


def test_files_are_looked_for_from_the_current_directory_first(mean_file, monkeypatch):
    (mean_file / "elsewhere").mkdir()
    np.save(mean_file / "elsewhere/mean.npy", np.zeros((3, 5, 7), np.float32))
    np.save(mean_file / "mean.npy", np.ones((3, 5, 7), np.float32))
    step = made('mean_file: "mean.npy"', mean_file / "elsewhere")
    np.testing.assert_array_equal(step(IMAGE, 0, ""), IMAGE)
    monkeypatch.chdir(mean_file)
    step = made('mean_file: "mean.npy"', mean_file / "elsewhere")
    np.testing.assert_array_equal(step(IMAGE, 0, ""), IMAGE.astype(np.float32) - 1)


def test_the_schema_has_no_field_that_is_not_heeded():
    fields = {field.name for field in schema.new("TransformationParameter").DESCRIPTOR.fields}
    assert fields == {"scale", "mirror", "crop_size", "mean_file", "mean_value", "force_color", "force_gray"}
