"""Colours, overlays and names."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from thinktwice.cli.colours import coloured, heat, signed
from thinktwice.cli.labels import find_targets, read_labels
from thinktwice.cli.overlay import HEIGHT, MARGIN, TITLE, Panel, limits, over, sheet
from thinktwice.errors import BadInput

GREY = np.full((90, 120, 3), 128, np.uint8)


def oklab(colours):
    """sRGB (n, 3), uint8 -> OKLab, by Ottosson's published matrices for this direction."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.cbrt(linear @ np.transpose(to_cones)) @ np.transpose(to_lab)


def test_steps_of_heat_look_equal_and_lightness_only_rises():
    lab = oklab(heat())
    steps = np.linalg.norm(lab[16:] - lab[:-16], axis=1)
    assert steps.max() / steps.min() < 1.2
    assert (np.diff(lab[:, 0]) > 0).all()


def test_signed_colours_are_as_light_on_both_sides_of_white():
    lab = oklab(signed())
    np.testing.assert_allclose(lab[:, 0], lab[::-1, 0], atol=0.02)
    assert lab[127:129, 0].min() > 0.95
    assert lab[0, 2] < -0.1 < 0.1 < lab[-1, 1]  # blue to red


def test_colours_of_the_ends():
    table = heat()
    np.testing.assert_array_equal(coloured(np.array([-1, 0, 1, 2]), table), table[[0, 0, 255, 255]])


def test_a_low_value_leaves_the_image_and_a_high_one_hides_it():
    values = np.zeros((90, 120))
    values[:, 60:] = 1
    drawn = np.asarray(over(Image.fromarray(GREY), values)).astype(int)
    assert np.ptp(drawn[45, 20]) == 0  # grey as before
    assert np.abs(drawn[45, 100] - heat()[-1]).max() < 25


def test_a_sheet_has_the_plain_image_first_and_a_panel_for_each_target():
    values = np.zeros((90, 120))
    values[70, 30] = 1
    one, two = (sheet(GREY, [Panel(values, "zebra")] * count) for count in (1, 2))
    width = HEIGHT * 120 // 90
    plain = np.asarray(two)[TITLE : TITLE + HEIGHT, MARGIN : MARGIN + width]
    assert (plain == 128).all()
    assert two.width - one.width > width
    assert one.height == TITLE + HEIGHT + MARGIN


def test_a_ring_marks_the_highest_value():
    low, high = np.zeros((90, 120)), np.zeros((90, 120))
    high[60, 90] = 1
    width, left = HEIGHT * 120 // 90, 2 * MARGIN + HEIGHT * 120 // 90
    changed = np.asarray(sheet(GREY, [Panel(high, "")])) != np.asarray(sheet(GREY, [Panel(low, "")]))
    rows, columns = np.nonzero(changed[:, left : left + width].any(-1))
    assert rows.mean() == pytest.approx(TITLE + 60.5 * HEIGHT / 90, abs=2)
    assert columns.mean() == pytest.approx(90.5 * width / 120, abs=2)


def test_limits_hold_0_and_leave_spikes_out():
    values = np.ones((100, 100))
    values[0, 0] = 1000
    assert limits(values) == (0, 1)
    assert limits(-values) == (-1, 1)
    assert limits(np.zeros((5, 5))) == (0, 0)
    spike = np.zeros((100, 100))
    spike[3, 3] = 7
    assert limits(spike) == (0, 7)


def test_the_strangest_maps_and_images_can_be_drawn():
    for image in (GREY[:1, :1], GREY[:, :2], GREY[:2]):
        for values in (0.0, 1e-30, -3.0, 1e30):
            assert sheet(image, [Panel(np.full(image.shape[:2], values), "x" * 500, "≥ \n")]).size > (1, 1)


# --- names --------------------------------------------------------------------------------------------------


@pytest.fixture
def labels(folder):
    return read_labels(folder / "labels.txt")


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("3", [3]),
        ("3,0", [3, 0]),
        ("n00000002", [1]),
        ("tench", [0]),
        ("TENCH", [0]),
        ("tench, Tinca tinca", [0]),
        ("tench,Tinca   tinca", [0]),
        ("tench,goldfish", [0, 1]),
        ("Loxodonta africana, 2", [4, 2]),
        ("African elephant, Loxodonta africana,tench, Tinca tinca,n00000002", [4, 0, 1]),
        ("crane, lifting device", [3]),
    ],
)
def test_targets(labels, text, targets):
    assert find_targets(text, labels) == targets


def test_an_index_is_no_name(labels):
    assert find_targets("7", labels) == [7]  # whether there is such a class, the net decides


@pytest.mark.parametrize(
    ("text", "told"), [("crane", "2 n00000003"), ("trench", "'tench'"), ("", "empty"), ("0,,1", "empty")]
)
def test_what_is_no_target(labels, text, told):
    with pytest.raises(BadInput, match=told):
        find_targets(text, labels)


def test_plain_labels_have_no_ids(folder):
    labels = read_labels(folder / "plain.txt")
    assert [label.wnid for label in labels] == [None] * 5
    assert find_targets("zwei", labels) == [1]


def test_labels_with_windows_line_ends_and_a_byte_order_mark(tmp_path):
    (tmp_path / "labels.txt").write_bytes(b"\xef\xbb\xbfn00000001 one\r\nn00000002 two\r\n")
    assert [(label.wnid, label.names) for label in read_labels(tmp_path / "labels.txt")] == [
        ("n00000001", "one"),
        ("n00000002", "two"),
    ]
