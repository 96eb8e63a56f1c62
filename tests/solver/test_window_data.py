"""WindowData: how R-CNN's windows are drawn and warped."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from thinktwice.errors import BadInput

from ..oracles.window_data import warped
from .making import layer, opened, picture, write_pictures

PICTURE = picture(30, 40)
MEAN = np.random.default_rng(0).uniform(90, 130, (3, 14, 14)).astype(np.float32)
BOXES = [(5, 6, 20, 13), (0, 0, 39, 29), (33, 2, 39, 27), (0, 25, 3, 29), (17, 17, 17, 17)]


def write(folder, *windows: str, start: str = "# 0\na.png\n3\n30\n40\n") -> None:
    write_pictures(folder, {"a.png": PICTURE})
    np.save(folder / "mean.npy", MEAN)
    (folder / "list.txt").write_text(start + f"{len(windows)}\n" + "".join(f"{window}\n" for window in windows))


def made(folder, settings: str = "", transform: str = "crop_size: 9"):
    text = 'source: "list.txt" batch_size: 4 ' if "batch_size" not in settings else 'source: "list.txt" '
    return opened(layer("WindowData", text + settings, transform), folder)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize(
    "settings", ["", "context_pad: 2", 'crop_mode: "square"', 'crop_mode: "square" context_pad: 3']
)
def test_every_window_is_warped_as_caffe_does(tmp_path, box, settings):
    write(tmp_path, f"3 0.75 {' '.join(map(str, box))}", "2 0.1 1 2 3 4")
    source = made(tmp_path, settings + " fg_fraction: 1", 'crop_size: 9 mirror: true mean_file: "mean.npy"')
    pad, square = 2 if ": 2" in settings else 3 if ": 3" in settings else 0, "square" in settings
    possible = {
        warped(PICTURE[..., ::-1], box, 9, pad, square, mirror, MEAN).tobytes(): mirror for mirror in (False, True)
    }
    found = [possible[image.tobytes()] for index in range(5) for image in source.batch(index)[0]]
    assert 3 <= sum(found) <= 17 or len(possible) == 1


def test_a_batch_is_background_then_foreground(tmp_path):
    write(
        tmp_path, "1 1 0 0 9 9", "2 0.6 1 0 9 9", "3 0.5 2 0 9 9",  # foreground
        "7 0.45 3 0 9 9",  # neither
        "8 0.3 4 0 9 9", "9 0 5 0 9 9",  # background
    )  # fmt: skip
    source = made(tmp_path, "batch_size: 10 fg_fraction: 0.35 bg_threshold: 0.4")
    assert source.shapes == [(10, 3, 9, 9), (10,)]
    drawn: Counter[float] = Counter()
    for index in range(40):
        images, labels = source.batch(index)
        assert images.dtype == labels.dtype == np.float32
        assert not labels[:7].any() and labels[7:].all()
        drawn.update(labels.tolist())
        np.testing.assert_array_equal(images, source.batch(index)[0])
    assert set(drawn) == {0, 1, 2, 3} and min(drawn.values()) > 20
    assert len({image.tobytes() for image in images[:7]}) == 2


def test_values_and_scale_of_either_place(tmp_path):
    write(tmp_path, "1 1 0 0 8 8", "1 0 0 0 8 8")
    expected = (PICTURE[:9, :9, ::-1].transpose(2, 0, 1) - np.array([1, 2, 3], np.float32)[:, None, None]) * np.float32(
        0.5
    )
    values = "mean_value: 1 mean_value: 2 mean_value: 3"
    for source in (
        made(tmp_path, "", f"crop_size: 9 scale: 0.5 {values}"),
        made(tmp_path, "scale: 0.5", f"crop_size: 9 {values}"),
    ):
        np.testing.assert_array_equal(source.batch(0)[0][0], expected)


@pytest.mark.parametrize(
    ("windows", "settings", "transform", "line"),
    [
        (["1 1 0 0 8 8", "1 0 0 0 8 8"], "", "mirror: true", "transform_param.crop_size: found 0, expected the size"),
        (["1 1 0 0 8 8"], "", "crop_size: 9", "found 1 foreground and 0 background windows, expected some of each"),
        (["0 1 0 0 8 8", "1 0 0 0 8 8"], "", "crop_size: 9", "list.txt: line 7: found label 0 of a foreground window"),
        (["1 1 0 0 8"], "", "crop_size: 9", "list.txt: line 7: found '1 1 0 0 8', expected a window: label overlap x1"),
        (["1 x 0 0 8 8"], "", "crop_size: 9", "list.txt: line 7: found the overlap 'x', expected 0 to 1"),
        (["1 1 0 0 8 y"], "", "crop_size: 9", "list.txt: line 7: found 'y', expected a label and corners: a whole number"),
        (["1 1 9 0 8 8"], "", "crop_size: 9", r"line 7: found the corners \[9, 0, 8, 8\], expected x1 y1 x2 y2 with x1 <= x2"),
        (["1 1 0 0 40 8", "1 0 0 0 40 8"], "", "crop_size: 9", r"list.txt: line \d: .*a.png: found a window .* within 40 x 30"),
        (["1 1 0 0 8 8", "1 0 0 0 8 8"], 'crop_mode: "zoom"', "crop_size: 9", "crop_mode: found 'zoom', expected warp or square"),
        (["1 1 0 0 8 8", "1 0 0 0 8 8"], "context_pad: 5", "crop_size: 9", "context_pad: found 5 on both sides"),
        (["1 1 0 0 8 8", "1 0 0 0 8 8"], "fg_fraction: 2", "crop_size: 9", "fg_fraction: found 2.0, expected 0 to 1"),
        (["1 1 0 0 8 8"], "", 'crop_size: 15 mean_file: "mean.npy"', r"mean.npy: found shape \(3, 14, 14\), expected .* 15 pixels"),
        (["1 1 0 0 8 8"], "", "crop_size: 9 mean_value: 1 mean_value: 2", "mean_value: found 2 numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path, windows, settings, transform, line):
    write(tmp_path, *windows)
    with pytest.raises(BadInput, match=line):
        made(tmp_path, settings, transform).batch(0)


@pytest.mark.parametrize(
    ("start", "line"),
    [
        ("0\na.png\n3\n30\n40\n", "list.txt: line 1: found '0', expected '# 0', the next picture"),
        ("# 0\nb.png\n3\n30\n40\n", "list.txt: line 2: found 'b.png', expected a picture; there is none at"),
        ("# 0\na.png\n1\n30\n40\n", "list.txt: picture 0: found 1 channels, expected 3"),
        ("# 0\na.png\n3\n30\n40\n2\n1 1 0 0 8 8\n1 0 0 0 8 8\n# 7\n", "list.txt: line 9: found '# 7', expected '# 1'"),
        ("# 0\na.png\n3\n30\n40\n2\n1 1 0 0 8 8\n", "list.txt: line 8: found '0', expected a window"),
        ("# 0\na.png\n3\n30\n", "list.txt: found its end, expected a number of windows"),
    ],
)
def test_a_list_of_another_form_is_named(tmp_path, start, line):
    write(tmp_path, start=start)
    with pytest.raises(BadInput, match=line):
        made(tmp_path)
