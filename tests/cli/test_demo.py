"""The demonstration: its numbers, its page and sheets, and what becomes of them when something is missing or it is interrupted."""

from __future__ import annotations

import contextlib
import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thinktwice.attention.attend import attend
from thinktwice.attention.boxes import energy_box, iou
from thinktwice.attention.methods import METHODS
from thinktwice.attention.think_twice import think_twice
from thinktwice.caffe_models.catalogue import find_model
from thinktwice.cli import demo_scenes
from thinktwice.cli.colours import classes
from thinktwice.cli.commands import demo
from thinktwice.cli.demo_scenes import boxed
from thinktwice.cli.grid import small
from thinktwice.cli.main import main
from thinktwice.errors import BadInput
from thinktwice.executor.load import load_model
from thinktwice.repro.datasets.annotated import annotated
from thinktwice.repro.images import Preprocessing, prepare

from .pages import pictures, read_page, rows

FEW = ("gradient", "c-mwp")


def few(monkeypatch, names=FEW):
    monkeypatch.setattr(demo, "METHODS", {name: METHODS[name] for name in names})


def cut(monkeypatch, scenes=1):
    monkeypatch.setattr(demo, "annotated", lambda folder: annotated(folder)[:scenes])


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """One whole run: its data and the folder."""
    folder = tmp_path_factory.mktemp("demo")
    told = io.StringIO()
    started = time.process_time()  # of all threads, so that other programs do not count
    with contextlib.redirect_stdout(told):
        assert main(["demo", "--out", str(folder), "--json"]) == 0
    assert time.process_time() - started < 60
    return json.loads(told.getvalue()), folder


def name_of(entry):
    return entry["name"].split(",")[0]


def test_every_method_is_shown_every_scene(shown):
    data, folder = shown
    assert data["model"] == demo.MODEL
    assert data["left_out"] == []
    known = annotated(demo.SCENES)
    assert [scene["image"] for scene in data["scenes"]] == [one.file for one in known]
    for scene, one in zip(data["scenes"], known, strict=True):
        assert (scene["height"], scene["width"]) == one.image.shape[:2]
        assert [name_of(entry) for entry in scene["objects"]] == list(one.boxes)
        for entry, boxes in zip(scene["objects"], one.boxes.values(), strict=True):
            assert [list(box.values()) for box in entry["boxes"]] == boxes.tolist()
            assert 0 <= entry["probability"] <= 1
        assert [row["method"] for row in scene["maps"]] == list(METHODS)
        for row in scene["maps"]:
            assert {len(row[what]) for what in ("peaks", "hits", "boxes", "overlaps", "mask_pixels")} == {
                len(one.boxes)
            }
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["index.html", *(Path(scene["sheet"]).name for scene in data["scenes"])]
    )


def test_sheets_are_pictures_of_a_few_megabytes(shown):
    for scene in shown[0]["scenes"]:
        with Image.open(scene["sheet"]) as picture:
            assert picture.format == "PNG"
            assert picture.width > 500
        assert Path(scene["sheet"]).stat().st_size < 4e6
    assert Path(shown[0]["page"]).stat().st_size < 4e6


def test_numbers_are_those_of_python(shown):
    model = find_model(demo.MODEL)
    net = load_model(model, device="cpu")
    scene, one = shown[0]["scenes"][0], annotated(demo.SCENES)[0]
    size = one.image.shape[:2]
    how = Preprocessing(model.mean, model.order, model.scale)

    def blob(picture):
        return prepare(picture, (3, *size), how)

    targets = [entry["index"] for entry in scene["objects"]]
    for row in scene["maps"]:
        if row["method"] not in ("guided", "c-mwp"):
            continue
        maps = attend(net, blob(one.image), targets, row["method"]).resized(*size)[0]
        boxes = energy_box(maps, 0.95)
        assert [list(box.values()) for box in row["boxes"]] == boxes.tolist()
        best = [iou(box, truth).max() for box, truth in zip(boxes, one.boxes.values(), strict=True)]
        np.testing.assert_allclose(row["overlaps"], best, rtol=1e-12)
        for values, place in zip(maps, row["peaks"], strict=True):
            assert values[place["y"], place["x"]] == values.max()
    thought = think_twice(net, one.image, blob, "feedback", top=3)
    assert [entry["index"] for entry in scene["think_twice"]["classes"]] == thought.final.classes.tolist()
    assert [list(crop["box"].values()) for crop in scene["think_twice"]["crops"]] == thought.boxes.tolist()


def test_the_pointing_table_counts_what_the_scenes_say(shown):
    data = shown[0]
    *methods, centre = data["pointing"]
    assert [row["method"] for row in methods] == list(METHODS)
    objects = sum(len(scene["objects"]) for scene in data["scenes"])
    for row in methods:
        own = [seen for scene in data["scenes"] for seen in scene["maps"] if seen["method"] == row["method"]]
        hits = 0
        for scene, seen in zip(data["scenes"], own, strict=True):
            for place, hit, entry in zip(seen["peaks"], seen["hits"], scene["objects"], strict=True):
                within = place and [  # a flat map points nowhere
                    box["x0"] <= place["x"] < box["x1"] and box["y0"] <= place["y"] < box["y1"]
                    for box in entry["boxes"]
                ]
                assert hit == any(within or ())
                hits += hit
        overlaps = [overlap for seen in own for overlap in seen["overlaps"]]
        assert (row["hits"], row["of"]) == (hits, objects)
        assert row["boxes_right"] == sum(overlap >= 0.5 for overlap in overlaps)
        assert row["overlap"] == pytest.approx(np.mean(overlaps))
    assert (centre["method"], centre["of"]) == ("centre", objects)
    contrast = next(row for row in methods if row["method"] == "c-mwp")
    assert contrast["hits"] > centre["hits"]
    assert contrast["overlap"] > centre["overlap"]


def test_the_page_has_every_method_target_box_and_number(shown):
    data = shown[0]
    page = read_page(data["page"])
    sections = {one.attributes["id"]: one for one in page.all("section")}
    for number, scene in enumerate(data["scenes"]):
        section = sections[f"scene-{number + 1}"]
        names = [name_of(entry) for entry in scene["objects"]]
        assert all(name in section.all("h2")[0].text.lower() for name in names)
        tables = section.all("table")
        glance, answer, *maps = tables
        guesses = scene["think_twice"]["first_glance"]
        assert [row[:2] for row in rows(glance)] == [
            [name_of(guess), f"{guess['probability']:.2f}"] for guess in guesses
        ]
        assert rows(answer) == [
            [name_of(entry), f"{entry['probability']:.2f}"] for entry in scene["think_twice"]["classes"]
        ]
        heads = [head.text for table in maps for head in table.all("thead")[0].all("th")]
        assert heads == [f"{row['method']} at {row['at']}" for row in scene["maps"]]
        for table in maps:
            assert [row[0] for row in rows(table)] == [*names, "boxes", "masks"]
        alts = [alt for alt, _ in pictures(section)]
        for row in scene["maps"]:
            for name, place in zip(names, row["peaks"], strict=True):
                where = f"highest at {place['x']}, {place['y']}" if place else "the same everywhere"
                assert f"{row['method']}, {name}: {where}" in alts
            overlaps = ", ".join(f"{overlap:.2f}" for overlap in row["overlaps"])
            assert f"{row['method']}, boxes: overlaps {overlaps}" in alts
            assert any(alt.startswith(f"{row['method']}, masks: ") for alt in alts)
    (pointing,) = sections["methods"].all("table")
    assert sorted(rows(pointing)) == sorted(
        [
            row["method"],
            f"{row['hits']} of {row['of']}",
            f"{row['boxes_right']} of {row['of']}",
            f"{row['overlap']:.2f}",
            f"{1000 * row['seconds']:.0f}",
        ]
        for row in data["pointing"]
    )
    assert "thinktwice compare photo.jpg --prototxt deploy.prototxt" in sections["next"].text


def test_the_most_pointed_stand_first(shown):
    (table,) = read_page(shown[0]["page"]).all("section")[-2].all("table")
    hits = [int(row[1].split()[0]) for row in rows(table)]
    assert hits == sorted(hits, reverse=True)


def test_boxes_are_drawn_where_they_are():
    picture = np.full((90, 120, 3), 128, np.uint8)
    panel = np.asarray(boxed(picture, [np.array([[60, 10, 110, 40]])], np.array([[12, 20, 80, 70]]))).astype(int)
    zoom = panel.shape[1] / 120
    ink = classes()[1]

    def at(x, y):
        return panel[round(y * zoom), round(x * zoom)]

    found, true = ((30, 20.8), (12.8, 50), (30, 69.2)), ((100, 10.2), (60.2, 15))
    assert all(abs(at(*place) - ink).max() < 8 for place in found)
    assert all(at(*place).max() < 40 for place in true)
    assert all((at(*place) == 128).all() for place in ((5, 5), (40, 50), (100, 60)))


def test_masks_are_drawn_over_the_picture(run, tmp_path, monkeypatch):
    few(monkeypatch, ("c-mwp",))
    cut(monkeypatch)
    scene = run(f"demo --out {tmp_path} --json").json["scenes"][0]
    drawn = {alt.split(":")[0]: image for alt, image in pictures(read_page(tmp_path / "index.html"))}
    plain = np.asarray(small(annotated(demo.SCENES)[0].image)).astype(int)
    marked = abs(np.asarray(drawn["c-mwp, masks"].convert("RGB")) - plain).max(-1) > 45
    share = sum(scene["maps"][0]["mask_pixels"]) / (scene["width"] * scene["height"])
    assert share > 0.02
    assert share / 2 < marked.mean() < 2 * share


def test_without_opencv_there_are_no_masks_and_it_says_why(run, tmp_path, monkeypatch):
    def missing():
        raise BadInput("OpenCV: found none, expected it for graph cuts")

    few(monkeypatch)
    cut(monkeypatch)
    monkeypatch.setattr(demo, "opencv", missing)
    told = run(f"demo --out {tmp_path} --json")
    assert told.status == 0
    assert told.json["left_out"] == [{"name": "masks", "why": "masks: OpenCV: found none, expected it for graph cuts"}]
    assert all(row["mask_pixels"] is None for row in told.json["scenes"][0]["maps"])
    page = read_page(tmp_path / "index.html")
    assert "Left out: masks: OpenCV: found none" in page.all("footer")[0].text
    assert "GrabCut" not in page.text
    assert "masks" not in [row[0] for table in page.all("table") for row in rows(table)]
    assert "left out: masks: OpenCV" in run(f"demo --out {tmp_path}").out


def test_a_method_that_does_not_apply_is_left_out_and_told(run, tmp_path, monkeypatch):
    look = demo_scenes.look_and_maps

    def fails(asked, method, options):
        if method == "gradient":
            raise BadInput("method 'gradient': found another net")
        return look(asked, method, options)

    few(monkeypatch)
    monkeypatch.setattr(demo_scenes, "look_and_maps", fails)
    told = run(f"demo --out {tmp_path} --json").json
    assert told["left_out"] == [{"name": "gradient", "why": "method 'gradient': found another net"}]
    assert [row["method"] for row in told["pointing"]] == ["c-mwp", "centre"]
    assert "another net" in read_page(tmp_path / "index.html").all("footer")[0].text


def test_without_json_there_are_tables_and_the_command_for_a_real_model(run, tmp_path, monkeypatch):
    few(monkeypatch)
    told = run(f"demo --out {tmp_path}")
    assert (told.status, told.err) == (0, "")
    names = [name for one in annotated(demo.SCENES) for name in one.boxes]
    for name in (*FEW, *names, "centre", "pointing", str(tmp_path / "index.html")):
        assert name in told.out
    assert "thinktwice compare photo.jpg --prototxt deploy.prototxt --weights net.caffemodel" in told.out


@pytest.mark.parametrize("where", ["view_of", "write_page"])
def test_interrupted_it_says_one_line_and_leaves_no_half_files(run, tmp_path, monkeypatch, where):
    def interrupt(*args):
        raise KeyboardInterrupt

    few(monkeypatch)
    cut(monkeypatch)
    monkeypatch.setattr(demo, where, interrupt)
    told = run(f"demo --out {tmp_path / 'new'}")
    assert (told.status, told.out, told.err) == (130, "", "thinktwice: error: interrupted\n")
    left = [path.name for path in (tmp_path / "new").iterdir()]
    sheet = f"{Path(annotated(demo.SCENES)[0].file).stem}_maps.png"
    assert left == ([] if where == "view_of" else [sheet])  # whole, and no page
    for name in left:
        Image.open(tmp_path / "new" / name).load()
