"""The command `compare` and its sheet: what is where, which methods are left out, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from thinktwice.attention.attend import attend
from thinktwice.attention.methods import METHODS
from thinktwice.cli.colours import heat
from thinktwice.cli.grid import GAP, HEADER, IN_BAND, MARGIN, NAME, WIDTH, column, grid, peak
from thinktwice.cli.overlay import PAPER
from thinktwice.executor.load import load
from thinktwice.repro.images import Preprocessing, prepare, read_image

from .pages import pictures, read_page, rows

FILES = "--prototxt net.prototxt --weights net.caffemodel"
COMPARE = f"compare photo.png {FILES} --target 2,0 --labels labels.txt"
GREY = np.full((90, 120, 3), 128, np.uint8)
TALL = round(WIDTH * 90 / 120)


def spot(x, y, value=1.0):
    values = np.zeros((90, 120))
    values[y, x] = value
    return values


def columns(count, rows=1):
    return [column(GREY, f"method {n}", "at data", np.stack([spot(60, 45)] * rows)) for n in range(count)]


# --- the sheet ----------------------------------------------------------------------------------------------


def test_the_picture_stands_once_and_every_panel_in_its_place():
    drawn = np.asarray(grid(GREY, columns(3, rows=2), ["zebra", "elephant"]))
    plain = (drawn == 128).all(-1)
    assert plain[HEADER : HEADER + TALL, MARGIN : MARGIN + WIDTH].all()
    start = MARGIN + WIDTH + MARGIN + NAME
    assert not plain[:, start:].any()  # panels lie over a paler picture
    for row in range(2):
        for index in range(3):
            left, top = start + index * (WIDTH + GAP), HEADER + row * (TALL + GAP)
            panel = drawn[top : top + TALL, left : left + WIDTH]
            assert not (panel == PAPER).all(-1)[[0, 0, -1, -1], [0, -1, 0, -1]].any()
            assert (drawn[top : top + TALL, left + WIDTH : left + WIDTH + GAP] == PAPER).all()


def test_a_name_is_written_beside_each_row_and_a_method_above_each_column():
    named, bare = (np.asarray(grid(GREY, columns(1, rows=2), names)) for names in (["zebra", "cat"], ["", ""]))
    rows, places = np.nonzero((named != bare).any(-1))
    assert (places >= MARGIN + WIDTH + MARGIN).all()
    assert (places < MARGIN + WIDTH + MARGIN + NAME).all()
    assert {int(row > HEADER + TALL) for row in rows} == {0, 1}
    longer = rows[rows < HEADER + TALL]
    assert np.ptp(longer) > np.ptp(rows[rows > HEADER + TALL])  # upwards: a longer name is taller
    other = np.asarray(grid(GREY, [column(GREY, "", "", np.stack([spot(60, 45)] * 2))], ["zebra", "cat"]))
    above = np.nonzero((named != other).any(-1))[0]
    assert len(above)
    assert above.max() < HEADER


@pytest.mark.parametrize(("count", "widest", "bands"), [(1, 1, 1), (8, 8, 1), (9, 5, 2), (16, 8, 2), (17, 6, 3)])
def test_many_columns_go_into_bands(count, widest, bands):
    assert IN_BAND == 8
    drawn = grid(GREY, columns(count), ["zebra"])
    assert drawn.width == MARGIN + WIDTH + MARGIN + NAME + widest * (WIDTH + GAP) - GAP + MARGIN
    lines = drawn.height - bands * (HEADER + TALL + GAP)
    assert 0 < lines < 120


def test_sixteen_methods_are_about_two_thousand_pixels_wide():
    assert 1900 < grid(GREY, columns(16), ["zebra"]).width < 2100


def test_a_single_pixel_is_seen_and_ringed_where_it_is():
    panel = column(GREY, "", "", spot(30, 70)[None]).panels[0]
    colours = np.asarray(panel).astype(int)
    changed = abs(colours - colours[2, 2]).max(-1) > 20
    rows, places = np.nonzero(changed)
    assert len(rows) > 200  # of about 33000: a ring, and a spot that has grown in drawing
    assert rows.mean() == pytest.approx(70.5 * TALL / 90, abs=2)
    assert places.mean() == pytest.approx(30.5 * WIDTH / 120, abs=2)
    glow = colours[round(70.5 * TALL / 90), round(30.5 * WIDTH / 120)]
    assert abs(glow - heat()[-1]).max() < 40


def test_the_ring_is_that_of_the_map_before_it_is_blurred():
    values = spot(100, 10, 1.0)
    values[60:80, 20:40] = 0.9  # broad: blurred it is the highest
    panel = np.asarray(column(GREY, "", "", values[None]).panels[0]).astype(int)
    bare = np.asarray(column(GREY, "", "", np.where(values == 1, 0, values)[None]).panels[0]).astype(int)
    changed = abs(panel - bare).max(-1) > 60
    assert changed[: TALL // 3, WIDTH * 2 // 3 :].any()


def test_an_empty_map_says_so_and_has_no_ring():
    empty = column(GREY, "", "", np.zeros((1, 90, 120))).panels[0]
    places = np.nonzero((np.asarray(empty) != np.asarray(empty)[2, 2]).any(-1))[1]
    assert np.ptp(places) > 80  # words, wider than a ring
    assert peak(np.zeros((90, 120))) is None
    assert peak(spot(30, 70)) == (30, 70)


def test_notes_are_wrapped_and_stand_at_the_bottom():
    short, long = (grid(GREY, columns(1), ["zebra"], notes=notes) for notes in ([], ["Left out: " + "word " * 60]))
    assert long.width == short.width
    added = long.height - short.height
    assert added >= 60
    assert (np.asarray(long)[-added:] != PAPER).any()
    np.testing.assert_array_equal(np.asarray(long)[: HEADER + TALL], np.asarray(short)[: HEADER + TALL])


@pytest.mark.parametrize("shape", [(1, 1), (90, 2), (2, 120), (900, 20)])
def test_the_strangest_pictures_can_be_drawn(shape):
    picture = np.full((*shape, 3), 128, np.uint8)
    for values in (0.0, 1e-30, -3.0, 1e30):
        one = column(picture, "x" * 500, "≥ \n", np.full((1, *shape), values))
        assert grid(picture, [one], ["y" * 500], "t" * 500).size > (1, 1)


# --- the command --------------------------------------------------------------------------------------------


def test_places_are_those_of_python(run, folder, tmp_path):
    told = run(f"{COMPARE} --methods gradient,c-mwp -o reduce=sum_abs --out {tmp_path / 'sheet.png'} --json").json
    net = load(folder / "net.prototxt", folder / "net.caffemodel", device="cpu")
    x = prepare(read_image(folder / "photo.png"), (3, 16, 18), Preprocessing())
    for entry in told["methods"]:
        known = {"reduce": "sum_abs"} if "reduce" in METHODS[entry["name"]].options else {}
        maps = attend(net, x, [2, 0], entry["name"], **known).resized(24, 30)[0]
        rows_columns = [np.unravel_index(int(values.argmax()), values.shape) for values in maps]
        assert entry["peaks"] == [{"x": int(column), "y": int(row)} for row, column in rows_columns]
    assert [entry["name"] for entry in told["methods"]] == ["gradient", "c-mwp"]
    assert [target["index"] for target in told["targets"]] == [2, 0]
    assert told["left_out"] == []
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert sheet.width == MARGIN + WIDTH + MARGIN + NAME + 2 * (WIDTH + GAP) - GAP + MARGIN


def test_by_default_all_methods_and_what_does_not_apply_is_left_out_and_told(run, tmp_path):
    told = run(f"{COMPARE} --out {tmp_path / 'sheet.png'} --json")
    assert told.status == 0
    left_out = [entry["name"] for entry in told.json["left_out"]]
    assert left_out == ["cam"]  # the net has no average
    assert "global average pooling" in told.json["left_out"][0]["why"]
    assert [entry["name"] for entry in told.json["methods"]] == [name for name in METHODS if name != "cam"]
    assert "left out: method 'cam'" in told.err


def test_the_sheet_tells_what_was_left_out(run, tmp_path):
    with_, without = (f"{COMPARE} --methods {names} --out {tmp_path}/{names}.png" for names in ("cam,mwp", "mwp"))
    assert run(with_).status == run(without).status == 0
    longer, shorter = (Image.open(f"{tmp_path}/{names}.png") for names in ("cam,mwp", "mwp"))
    assert longer.width == shorter.width
    assert longer.height > shorter.height


def test_without_json_there_is_a_table_and_a_note(run, tmp_path):
    told = run(f"{COMPARE} --methods mwp --out {tmp_path / 's.PNG'}")
    assert told.status == 0
    assert "crane: highest at x, y" in told.out
    assert told.err == f"stored: {tmp_path / 's.PNG'}\n"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--methods gradient,c-mvp --out s.png", "the nearest known name is 'c-mwp'"),
        ("--methods gradient,,mwp --out s.png", "method: found ''"),
        ("--methods cam --out s.png", "global average pooling"),  # nothing is left to draw
        ("--methods mwp,cam -o contrastive=true --out s.png", "global average pooling"),  # asked for in particular
        ("--methods mwp -o iterations=3 --out s.png", "found option 'iterations'"),
        ("--methods mwp", "--out"),
        ("--methods mwp --out no/s.png", "no folder no"),
        ("--methods mwp --out s.jpg", "found 's.jpg', expected a name that ends in .html or .png"),
        ("--methods mwp --out sheet", "expected a name that ends in .html or .png"),
        ("--methods mwp --out no/s.html", "no folder no"),
        ("--methods mwp --target 9 --out s.png", "0 to 4"),
        ("--method mwp --out s.png", "nearest known name is '--methods'"),
    ],
)
def test_bad_input_is_one_line(run, folder, flags, told):
    answer = run(f"{COMPARE} {flags}")
    assert answer.status == 2
    assert answer.out == ""
    errors = [line for line in answer.err.splitlines() if not line.startswith("left out: ")]
    assert len(errors) == 1
    assert errors[0].startswith("thinktwice: error: ")
    assert told in errors[0]
    assert not list(folder.glob("s.*"))


# --- the page -----------------------------------------------------------------------------------------------


def test_the_page_has_methods_in_columns_and_targets_in_rows_and_all_numbers(run, tmp_path):
    told = run(f"{COMPARE} --out {tmp_path / 'page.HTML'} --json").json
    page = read_page(tmp_path / "page.HTML")
    asked, *maps, numbers = page.all("table")
    scores = [f"{target['score']:.4g}" for target in told["targets"]]
    assert rows(asked) == [["crane", "2", scores[0]], ["tench", "0", scores[1]]]
    heads = [head.text for table in maps for head in table.all("thead")[0].all("th")]
    assert heads == [f"{entry['name']} at {entry['at']}" for entry in told["methods"]]
    assert [[row[0] for row in rows(table)] for table in maps] == [["crane", "tench"]] * 2
    alts = [alt for alt, _ in pictures(page)]
    for entry, row in zip(told["methods"], rows(numbers), strict=True):
        places = [f"{place['x']}, {place['y']}" for place in entry["peaks"]]
        assert row[:4] == [entry["name"], entry["at"], *places]
        for name, place in zip(("crane", "tench"), places, strict=True):
            assert f"{entry['name']}, {name}: highest at {place}" in alts
        for option, value in entry["options"].items():
            assert value is None or f"{option.replace('_', ' ')} {value}" in row[5]
    assert "Left out: method 'cam'" in page.all("footer")[0].text
    assert (tmp_path / "page.HTML").stat().st_size < 1e6


def test_the_page_shows_the_very_panels_of_the_sheet(run, tmp_path):
    for name in ("s.png", "s.html"):
        assert run(f"{COMPARE} --methods mwp --out {tmp_path / name}").status == 0
    sheet = np.asarray(Image.open(tmp_path / "s.png")).astype(int)
    _, *panels = [np.asarray(image.convert("RGB")).astype(int) for _, image in pictures(read_page(tmp_path / "s.html"))]
    left = MARGIN + WIDTH + MARGIN + NAME
    for row, panel in enumerate(panels):
        height, width = panel.shape[:2]
        top = HEADER + row * (height + GAP)
        assert abs(sheet[top : top + height, left : left + width] - panel).mean() < 8  # but for what WebP leaves out
    assert len(panels) == 2
