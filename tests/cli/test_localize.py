"""The command `localize`: the same boxes as in Python, in pixels of the image; drawn; and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from thinktwice.attention.attend import attend
from thinktwice.attention.boxes import energy_box
from thinktwice.attention.two_stage import two_stage
from thinktwice.cli.colours import classes
from thinktwice.cli.overlay import HEIGHT, MARGIN, TITLE, Panel, sheet
from thinktwice.executor.load import load
from thinktwice.repro.images import Preprocessing, prepare, read_image

FILES = "--prototxt net.prototxt --weights net.caffemodel"
LOCALIZE = f"localize photo.png {FILES} --target 2,0"
SIZE = (24, 30)  # of photo.png: (H, W); the net's input is 16 x 18


@pytest.fixture
def net(folder):
    return load(folder / "net.prototxt", folder / "net.caffemodel", device="cpu")


def numbers(box):
    assert list(box) == ["x0", "y0", "x1", "y1"]
    return list(box.values())


def test_boxes_are_those_of_python_in_pixels_of_the_image(run, folder, net):
    told = run(f"{LOCALIZE} --method gradient --boxes energy:0.4 --labels labels.txt --json").json
    x = prepare(read_image(folder / "photo.png"), (3, 16, 18), Preprocessing())
    boxes = energy_box(attend(net, x, [2, 0], "gradient").map[0], 0.4) * np.array([30 / 18, 24 / 16, 30 / 18, 24 / 16])
    assert [numbers(target["boxes"][0]) for target in told["targets"]] == pytest.approx(boxes)
    assert [target["index"] for target in told["targets"]] == [2, 0]
    assert [target["name"] for target in told["targets"]] == ["crane", "tench, Tinca tinca"]
    assert (told["width"], told["height"], told["rule"]) == (30, 24, "energy:0.4")
    assert told["methods"] == [{"name": "gradient", "options": {"reduce": "max_abs", "crops": 1}}]


def test_the_paper_s_method_and_rule_are_the_defaults(run):
    bare = run(f"{LOCALIZE} --json").json
    assert (bare["methods"][0]["name"], bare["rule"]) == ("feedback", "energy:0.95")
    assert bare["targets"] == run(f"{LOCALIZE} --method feedback --boxes energy:0.95 --json").json["targets"]


def test_boxes_of_a_centre_crop_lie_where_the_net_looked(run):
    told = run(f"{LOCALIZE} --method gradient --boxes energy:1.0 --resize shorter:18 --json").json
    # The shorter side, 24, becomes 18 and the longer 22 or 23: the net sees 18 of these columns, 16 of 18 rows.
    for target in told["targets"]:
        x0, y0, x1, y1 = numbers(target["boxes"][0])
        assert 1 < x0 < x1 < 29
        assert 0 < y0 < y1 < 24


def test_contours_give_a_box_each_and_small_ones_can_be_left_out(run):
    line = f"{LOCALIZE} --method gradient --boxes contours:mean:1.5 --json"
    every, large = run(line).json["targets"], run(f"{line} --min-area 6").json["targets"]
    assert all(len(target["boxes"]) > 1 for target in every)
    for some, less in zip(every, large, strict=True):
        assert len(less["boxes"]) < len(some["boxes"])
        assert all(box in some["boxes"] for box in less["boxes"])


def test_two_stages_are_those_of_python(run, folder, net):
    line = f"{LOCALIZE} --two-stage --method mwp,gradient --boxes energy:0.5 -o reduce=sum_abs --json"
    told = run(line).json
    found = two_stage(
        net, read_image(folder / "photo.png"), [2, 0], lambda picture: prepare(picture, (3, 16, 18), Preprocessing()),
        ("mwp", "gradient"), fraction=0.5, options=({"reduce": "sum_abs"}, {"reduce": "sum_abs"}),
    )  # fmt: skip
    assert [numbers(target["rough_box"]) for target in told["targets"]] == found.first.tolist()
    assert [numbers(target["boxes"][0]) for target in told["targets"]] == pytest.approx(found.boxes)
    assert told["two_stage"]


def test_two_stages_by_default_are_those_of_the_paper(run):
    told = run(f"{LOCALIZE} --two-stage --json").json
    assert [method["name"] for method in told["methods"]] == ["summation", "fsp-fr"]
    assert told["rule"] == "energy:0.99"


def test_without_json_there_is_a_table_and_a_note(run, tmp_path):
    told = run(f"{LOCALIZE} --method gradient --labels labels.txt --overlay {tmp_path / 'o.png'}")
    assert told.status == 0
    assert "energy:0.95 of gradient" in told.out
    assert "tench" in told.out
    assert told.err == f"stored: {tmp_path / 'o.png'}\n"
    assert Image.open(tmp_path / "o.png").format == "PNG"


# --- the picture --------------------------------------------------------------------------------------------


def test_a_box_is_drawn_over_the_image_and_its_own_map():
    image, zoom = np.full((180, 240, 3), 250, np.uint8), HEIGHT / 180
    panels = [Panel(np.zeros((180, 240)), "a", boxes=[(60, 40, 120, 100)]), Panel(np.zeros((180, 240)), "b")]
    drawn = np.asarray(sheet(image, panels))
    ink = (drawn == classes()[1]).all(-1)
    rows, columns = ink.nonzero()
    top, bottom = TITLE + 40 * zoom, TITLE + 100 * zoom
    assert (rows.min(), rows.max() + 1) == (top, bottom)
    in_first = columns[columns < MARGIN + 240 * zoom]
    assert (in_first.min(), in_first.max() + 1) == (MARGIN + 60 * zoom, MARGIN + 120 * zoom)
    second = MARGIN + 240 * zoom + MARGIN
    in_second = columns[columns > second]
    assert (in_second.min(), in_second.max() + 1) == (second + 60 * zoom, second + 120 * zoom)
    assert len(in_first) == len(in_second) == ink.sum() / 2  # the other map has none


def test_without_boxes_nothing_is_drawn():
    image = np.full((60, 80, 3), 250, np.uint8)
    plain = np.asarray(sheet(image, [Panel(np.eye(60, 80), "a")]))
    boxed = np.asarray(sheet(image, [Panel(np.eye(60, 80), "a", boxes=[(1, 1, 50, 50)])]))
    assert not (plain == classes()[1]).all(-1).any()
    assert (boxed == classes()[1]).all(-1).any()


def test_colours_of_classes_differ():
    table = classes()
    assert table[0].tolist() == [0, 0, 0]
    assert len(np.unique(table, axis=0)) > 200
    first = table[1:9].astype(int)
    apart = abs(first[:, None] - first[None]).sum(-1) + 1000 * np.eye(8, dtype=int)
    assert apart.min() > 60


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--boxes enrgy:0.95", "the nearest known name is 'energy'"),
        ("--boxes energy:95", "found the fraction 95"),
        ("--min-area 9", "expected --boxes contours"),
        ("--min-area 0 --boxes contours", "--min-area"),
        ("--method gradient,mwp", "found 2 in 'gradient,mwp', expected one, or --two-stage with two"),
        ("--two-stage --method gradient", "found 1 in 'gradient', expected two"),
        ("--two-stage --boxes mean:2", "found --boxes mean:2"),
        ("--two-stage --boxes contours", "found --boxes contours"),
        ("--two-stage --at conv1", "found --at"),
        ("--two-stage --resize shorter", "found 'shorter', expected squash"),
        ("--method gradient -o iterations=3", "found option 'iterations'"),
        ("--method gradiant", "the nearest known name is 'gradient'"),
        ("--overlay no/o.png", "no folder no"),
        ("--target 9", "0 to 4"),
    ],
)
def test_bad_input_is_one_line(run, flags, told):
    answer = run(f"{LOCALIZE} {flags}")
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.startswith("thinktwice: error: ")
    assert answer.err.count("\n") == 1
    assert told in answer.err
