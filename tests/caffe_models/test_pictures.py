"""Pixels of picture files as Caffe's data layers get them from OpenCV."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from thinktwice.caffe_models.pictures import decode_pixels, read_image, read_pixels
from thinktwice.errors import BadInput

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 11, 4), np.uint8)
SMOOTH = np.add.outer(np.arange(16) * 9, np.arange(24) * 4)[..., None] + np.array([0, 5, 20])


def content(pixels: np.ndarray, kind: str = "PNG", **settings) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **settings)
    return stream.getvalue()


def test_colour_is_bgr_and_grey_is_one_channel(tmp_path):
    (tmp_path / "a.png").write_bytes(content(PIXELS[..., :3]))
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png"), PIXELS[..., 2::-1])
    grey = read_pixels(tmp_path / "a.png", colour=False)
    assert grey.shape == (7, 11, 1) and grey.dtype == np.uint8
    assert np.abs(grey[..., 0] - PIXELS[..., :3] @ [0.299, 0.587, 0.114]).max() <= 1
    (tmp_path / "b.png").write_bytes(content(PIXELS[..., 0]))
    np.testing.assert_array_equal(read_pixels(tmp_path / "b.png"), PIXELS[..., :1].repeat(3, -1))
    np.testing.assert_array_equal(read_pixels(tmp_path / "b.png", colour=False), PIXELS[..., :1])


def test_both_readers_turn_a_picture_as_the_camera_noted(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.png").write_bytes(content(PIXELS[..., :3], exif=exif))
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png"), read_image(tmp_path / "a.png")[..., ::-1])
    assert read_pixels(tmp_path / "a.png").shape == (11, 7, 3)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (PIXELS[..., 0], PIXELS[..., :1]),
        (PIXELS[..., :3], PIXELS[..., 2::-1]),
        (PIXELS, PIXELS[..., [2, 1, 0, 3]]),
    ],
)
def test_encoded_bytes_keep_their_own_channels(pixels, expected):
    np.testing.assert_array_equal(decode_pixels(content(pixels), None, "record"), expected)


def test_encoded_bytes_are_forced_to_colour_or_grey():
    np.testing.assert_array_equal(decode_pixels(content(PIXELS[..., 0]), True, ""), PIXELS[..., :1].repeat(3, -1))
    np.testing.assert_array_equal(decode_pixels(content(PIXELS), True, ""), PIXELS[..., 2::-1])
    assert decode_pixels(content(PIXELS[..., :3]), False, "").shape == (7, 11, 1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize(
    "pixels", [SMOOTH.astype(np.uint8), np.ascontiguousarray(PIXELS[..., :3])], ids=["smooth", "rough"]
)
def test_opencv_reads_the_same(tmp_path, kind, pixels):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content(pixels, kind))
    np.testing.assert_array_equal(read_pixels(path), cv2.imread(str(path)))
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[..., None].astype(int)
    assert np.abs(read_pixels(path, colour=False) - grey).max() <= (0 if kind == "JPEG" else 1)


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (b"", "no picture"),
        (b"junk", "no picture"),
        (content(PIXELS)[:60], "damaged"),
        (PIXELS[..., 0].astype(np.uint16), "I;16"),
    ],
)
def test_damaged_bytes_name_their_record(pixels, found):
    with pytest.raises(BadInput, match=f"^record 7: .*{found}"):
        decode_pixels(pixels if isinstance(pixels, bytes) else content(pixels), None, "record 7")
