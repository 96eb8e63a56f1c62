"""From picture files to input blobs: every kind of picture, and Caffe's own preprocessing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from thinktwice.errors import BadInput
from thinktwice.repro.images import Preprocessing, prepare, read_image, seen

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 11, 3), np.uint8)
NOTHING = {"mean": 0.0, "order": "RGB"}


def stored(tmp_path, picture, name="picture.png", **settings):
    picture.save(tmp_path / name, **settings)
    return read_image(tmp_path / name)


# --- reading ------------------------------------------------------------------------------------------------


def test_rgb_is_read_as_it_is(tmp_path):
    read = stored(tmp_path, Image.fromarray(PIXELS))
    np.testing.assert_array_equal(read, PIXELS)
    assert read.dtype == np.uint8


def test_grey_becomes_three_equal_channels(tmp_path):
    read = stored(tmp_path, Image.fromarray(PIXELS[..., 0]))
    np.testing.assert_array_equal(read, PIXELS[..., :1].repeat(3, -1))


def test_16_bits_become_8(tmp_path):
    grey = PIXELS[..., 0].astype(np.uint16) * 256 + 77
    read = stored(tmp_path, Image.fromarray(grey))
    np.testing.assert_array_equal(read, PIXELS[..., :1].repeat(3, -1))


def test_an_alpha_channel_is_dropped(tmp_path):
    alpha = np.full((7, 11, 1), 10, np.uint8)
    read = stored(tmp_path, Image.fromarray(np.concatenate([PIXELS, alpha], -1), "RGBA"))
    np.testing.assert_array_equal(read, PIXELS)


def test_palette_and_bits(tmp_path):
    palette = Image.fromarray(PIXELS).quantize(256)
    np.testing.assert_array_equal(stored(tmp_path, palette), np.asarray(palette.convert("RGB")))
    bits = Image.fromarray(PIXELS[..., 0] > 100)
    np.testing.assert_array_equal(stored(tmp_path, bits)[..., 0], (PIXELS[..., 0] > 100) * 255)


def test_cmyk(tmp_path):
    plain = Image.new("RGB", (16, 16), (200, 30, 60))
    read = stored(tmp_path, plain.convert("CMYK"), "picture.jpg", quality=100)
    assert np.abs(read.astype(int) - [200, 30, 60]).max() <= 3


@pytest.mark.parametrize(("orientation", "turned"), [(3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1))])
def test_the_camera_noted_which_way_is_up(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = stored(tmp_path, Image.fromarray(PIXELS), exif=exif)
    np.testing.assert_array_equal(read, turned(PIXELS))


# --- preparing ----------------------------------------------------------------------------------------------


def test_channels_mean_and_scale_as_in_caffe():
    blob = prepare(PIXELS, (3, 7, 11), Preprocessing(mean=(104, 117, 123), scale=0.5))
    expected = (PIXELS[..., ::-1].astype(np.float64) - [104, 117, 123]) * 0.5
    np.testing.assert_array_equal(blob, expected.transpose(2, 0, 1))
    assert blob.dtype == np.float32
    assert blob.flags.c_contiguous


def test_rgb_order_keeps_the_channels():
    blob = prepare(PIXELS, (3, 7, 11), Preprocessing(**NOTHING))
    np.testing.assert_array_equal(blob, PIXELS.transpose(2, 0, 1))


def test_grey_nets_take_the_luminance():
    blob = prepare(PIXELS, (1, 7, 11), Preprocessing(mean=0.0))
    luminance = PIXELS @ np.array([0.299, 0.587, 0.114])
    assert blob.shape == (1, 7, 11)
    assert np.abs(blob[0] - luminance).max() <= 1


def test_squash_resizes_the_whole_picture():
    halves = np.zeros((10, 20, 3), np.uint8)
    halves[:, 10:] = 200
    blob = prepare(halves, (3, 30, 30), Preprocessing(**NOTHING))
    assert blob.shape == (3, 30, 30)
    assert not blob[:, :, :13].any()
    assert (blob[:, :, 17:] == 200).all()


def test_shorter_takes_the_centre():
    stripes = np.zeros((12, 36, 3), np.uint8)
    stripes[:, 12:24] = 200
    how = Preprocessing(**NOTHING, resize="shorter")
    assert (prepare(stripes, (3, 12, 12), how) == 200).all()
    assert seen((12, 36), (12, 12), how) == (12, 0, 24, 12)


def test_shorter_with_a_side_resizes_before_it_crops():
    how = Preprocessing(**NOTHING, resize="shorter", side=16)
    assert prepare(PIXELS, (3, 8, 8), how).shape == (3, 8, 8)
    left, top, right, bottom = seen((24, 48), (8, 8), how)
    assert (left, top, right, bottom) == (18, 6, 30, 18)  # 8 of 16 are 12 of 24


def test_a_mean_image_of_the_inputs_size_is_subtracted():
    mean = np.random.default_rng(1).uniform(0, 255, (3, 7, 11)).astype(np.float32)
    blob = prepare(PIXELS, (3, 7, 11), Preprocessing(mean=mean, order="RGB"))
    np.testing.assert_array_equal(blob, PIXELS.transpose(2, 0, 1) - mean)


def test_a_larger_mean_image_is_resized_for_squash_and_cropped_for_shorter():
    ramp = np.broadcast_to(np.arange(22, dtype=np.float32), (3, 14, 22))
    black = np.zeros((7, 11, 3), np.uint8)
    squashed = prepare(black, (3, 7, 11), Preprocessing(mean=ramp))
    cropped = prepare(black, (3, 7, 11), Preprocessing(mean=ramp, resize="shorter"))
    np.testing.assert_allclose(-squashed[0, 3, 1:-1], np.arange(22).reshape(11, 2).mean(1)[1:-1], atol=1e-4)
    np.testing.assert_array_equal(-cropped[0, 3], np.arange(5, 16))


@pytest.mark.parametrize("mean", [(1.0, 2.0), np.zeros((4, 7, 11), np.float32)])
def test_a_mean_of_other_channels_is_refused(mean):
    with pytest.raises(BadInput, match=r"mean: found . channels, expected 3"):
        prepare(PIXELS, (3, 7, 11), Preprocessing(mean=mean))


def test_a_strip_is_not_blown_up_beyond_memory():
    with pytest.raises(BadInput, match="300000 x 1 pixels"):
        prepare(np.zeros((1, 300000, 3), np.uint8), (3, 227, 227), Preprocessing(resize="shorter"))


def test_a_real_picture_is_prepared_to_the_last_bit(shared):
    with np.load(shared / "golden/squeezenet/elephant_zebra_1.npz") as golden:
        expected = golden["input/data"][0]
    blob = prepare(read_image(shared / "images/demo/elephant_zebra_1.jpg"), (3, 227, 227), Preprocessing())
    np.testing.assert_array_equal(blob, expected)
