"""The tables of scenes, from end to end on a net and pictures made here, and their numbers by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thinktwice.attention.method import Option
from thinktwice.attention.methods import METHODS
from thinktwice.caffe_models import catalogue
from thinktwice.caffe_models.catalogue import Model
from thinktwice.caffe_models.weights import Weights
from thinktwice.caffe_models.writer import write_caffemodel
from thinktwice.errors import BadInput
from thinktwice.executor.load import load
from thinktwice.repro import scenes_scores, scenes_tables
from thinktwice.repro.runs import Run
from thinktwice.repro.scenes_pictures import Picture, voc_pictures
from thinktwice.repro.scenes_scores import KINDS, Settings, Task, asked, map_scores, read_mask, scores
from thinktwice.repro.scenes_summary import Pairs, centre_row, look_row, map_row, markdown

NET = """
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 dim: 16 dim: 16 }} }} }}
layer {{ name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param {{ num_output: 4 kernel_size: 3 pad: 1 }} }}
layer {{ name: "relu" type: "ReLU" bottom: "c" top: "c" }}
layer {{ name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param {{ pool: {pool} global_pooling: true }} }}
layer {{ name: "fc{suffix}" type: "InnerProduct" bottom: "p" top: "fc" inner_product_param {{ num_output: 6 }} }}
layer {{ name: "prob" type: "{answer}" bottom: "fc" top: "prob" }}
"""
PICTURE = """<annotation><filename>{}.png</filename><size><height>{}</height><width>{}</width></size>{}</annotation>"""
THING = """<object><name>{}</name><difficult>{}</difficult>
<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>
"""
NAMES = [f"class{number}" for number in range(6)]
PICTURES = 6


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``tiny``, its multi-label sibling ``tiny-multi``, and ``tiny-max``, which cam refuses."""
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"c{number} {name}\n" for number, name in enumerate(NAMES)))
    for name, suffix, pool, answer in [
        ("tiny", "", "AVE", "Softmax"),
        ("tiny-multi", "_multi", "AVE", "Sigmoid"),
        ("tiny-max", "", "MAX", "Softmax"),
    ]:
        prototxt, weights = tmp_path / f"{name}.prototxt", tmp_path / f"{name}.caffemodel"
        prototxt.write_text(NET.format(suffix=suffix, pool=pool, answer=answer))
        net = load(prototxt, seed=len(name), device="cpu")
        write_caffemodel(net.message, Weights("", dict(net.params)), weights)
        model = Model(name, "", "", prototxt, (weights,), labels, mean=(104.0, 117.0, 123.0))
        monkeypatch.setitem(catalogue.MODELS, name, model)
    scenes_scores._net.cache_clear()


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Pictures of two sizes with one to three categories, each a box of its own, in VOC's layout; the last has no mask."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "voc"
    for name in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for number in range(PICTURES):
        size = (20, 28) if number % 3 else (24, 24)
        things, mask = "", np.zeros(size, np.uint8)
        for column, one in enumerate(rng.permutation(6)[: 1 + number % 3].tolist()):
            left, top, right, bottom = 8 * column + 1, 4, 8 * column + 8, min(3 * number + 6, size[0])
            mask[top:bottom, left:right] = one + 1
            things += THING.format(NAMES[one], 0, left + 1, top + 1, right, bottom)
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(folder / "JPEGImages" / f"{number}.png")
        if number < PICTURES - 1:
            Image.fromarray(mask).save(folder / "SegmentationClass" / f"{number}.png")
        (folder / "Annotations" / f"{number}.xml").write_text(PICTURE.format(number, *size, things))
    (folder / "classes.txt").write_text("\n".join(NAMES) + "\n")
    (folder / "ImageSets/Main/test.txt").write_text("".join(f"{number}\n" for number in range(PICTURES)))
    return folder


@pytest.fixture
def pictures(voc: Path) -> list[Picture]:
    return voc_pictures(voc, "test", NAMES)


@pytest.fixture
def arguments(tmp_path: Path, models: None, voc: Path) -> list[str]:
    return ["--data", str(voc), "--model", "tiny-multi", "--jobs", "1", "--out", str(tmp_path / "out.jsonl")]


def out_of(arguments: list[str]) -> Path:
    return Path(arguments[-1])


def test_pictures_with_all_that_is_known_of_them(voc: Path, pictures: list[Picture]) -> None:
    assert [picture.path.name for picture in pictures] == [f"{number}.png" for number in range(PICTURES)]
    assert [len(picture.categories) for picture in pictures] == [1, 2, 3, 1, 2, 3]
    assert pictures[1].size == (20, 28) and pictures[0].size == (24, 24)
    assert pictures[-1].mask is None
    for picture in pictures[:-1]:
        assert picture.mask is not None
        mask = read_mask(picture.mask, picture.size)
        for one, boxes in zip(picture.categories, picture.boxes, strict=True):
            ((left, top, right, bottom),) = boxes.astype(int).tolist()
            assert (mask == one + 1).sum() == (mask[top:bottom, left:right] == one + 1).sum() > 0
            assert (mask[top:bottom, left:right] == one + 1).all()


def test_a_category_counts_unless_all_its_objects_are_difficult(voc: Path) -> None:
    things = [(4, 1, (1, 1, 5, 5)), (2, 0, (2, 3, 6, 9)), (2, 1, (7, 7, 9, 9)), (0, 1, (1, 1, 2, 2))]
    text = "".join(THING.format(NAMES[one], marked, *box) for one, marked, box in things)
    (voc / "Annotations/0.xml").write_text(PICTURE.format(0, 24, 24, text))
    (voc / "Annotations/1.xml").write_text(PICTURE.format(1, 24, 24, THING.format(NAMES[1], 1, 1, 1, 2, 2)))
    first, second = voc_pictures(voc, "test", NAMES)[:2]
    assert first.categories == (2,)
    assert first.boxes[0].tolist() == [[1, 2, 6, 9], [6, 6, 9, 9]]
    assert second.path.name == "2.png"  # nothing in picture 1 counts


def test_the_nets_classes_are_the_data_sets(voc: Path) -> None:
    with pytest.raises(
        BadInput, match=r"voc: found the classes \['class0', .*, expected the model's, \['class1', 'class0'"
    ):
        voc_pictures(voc, "test", ["class1", "class0", *NAMES[2:]])


def test_models_of_other_classes(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "others.txt"
    labels.write_text("c0 other\n")
    monkeypatch.setitem(catalogue.MODELS, "other", replace(catalogue.MODELS["tiny"], name="other", labels=labels))
    assert scenes_tables.main([*arguments, "--model", "tiny, other"]) == 2
    assert "model: found models for other classes" in capsys.readouterr().err


def test_two_models_two_tables(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    some = ["--model", "tiny-multi, tiny", "--methods", "guided", "--limit", "2"]
    assert scenes_tables.main([*arguments, *some]) == 0
    first, second = capsys.readouterr().out.split("### ")[1:]
    assert first.startswith("tiny-multi\n") and second.startswith("tiny\n")


def test_a_stopped_run_goes_on(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    some = ["--methods", "gradient, mwp@c", "--batch-size", "2"]
    assert scenes_tables.main([*arguments, *some]) == 0
    whole = capsys.readouterr().out
    lines = out_of(arguments).read_text().splitlines(keepends=True)
    assert len(lines) == 2 * 2 * PICTURES
    assert "### tiny-multi" in whole and "| gradient | 6 |" in whole and "| mwp@c | 6 |" in whole
    out_of(arguments).write_text("".join(lines[:7]) + lines[7][:30])  # killed in the middle of a line
    assert scenes_tables.main([*arguments, *some]) == 0
    assert capsys.readouterr().out == whole
    again = [json.loads(line) for line in out_of(arguments).read_text().splitlines()]
    assert len(again) == len({(r["run"], r["kind"], r["picture"]) for r in again}) == 2 * 2 * PICTURES


def test_ctrl_c_keeps_what_is_known_and_says_how_to_go_on(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []

    def interrupted(task: Task) -> list:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(task)
        return scores(task)

    monkeypatch.setattr(scenes_tables, "scores", interrupted)
    assert scenes_tables.main([*arguments, "--methods", "gradient"]) == 130
    assert f"what is known is in {out_of(arguments)}, and the same command goes on" in capsys.readouterr().err
    assert out_of(arguments).read_text().count("\n") == 3


def test_results_hold_only_for_the_weights_and_options_that_they_came_from(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def results_after(*more: str) -> int:
        assert scenes_tables.main([*arguments, "--methods", "gradient", "--limit", "3", *more]) == 0
        return out_of(arguments).read_text().count("\n")

    assert results_after() == 6
    assert results_after("--tolerance", "3") == 9  # what was seen at second looks is as it was
    assert "3 results had other pictures, weights or options, and are not used" in capsys.readouterr().err
    assert results_after() == 9
    with catalogue.MODELS["tiny"].weights[0].open("ab") as weights:
        weights.write(b"\n\x01a")  # another name for the net, in the file's own form
    assert results_after() == 12  # second looks are the single-label sibling's
    with catalogue.MODELS["tiny-multi"].weights[0].open("ab") as weights:
        weights.write(b"\n\x01a")
    assert results_after() == 15


def test_another_default_of_a_method_is_another_result(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some = ["--methods", "feedback", "--limit", "1", "--looks", "0"]
    assert scenes_tables.main([*arguments, *some]) == 0
    options = {**METHODS["feedback"].options, "iterations": Option(1, "")}
    monkeypatch.setitem(METHODS, "feedback", replace(METHODS["feedback"], options=options))
    assert scenes_tables.main([*arguments, *some]) == 0
    assert out_of(arguments).read_text().count("\n") == 2


def test_pictures_that_changed_are_looked_at_again(arguments: list[str], voc: Path) -> None:
    some = ["--methods", "gradient", "--looks", "0"]
    assert scenes_tables.main([*arguments, *some]) == 0
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(voc / "JPEGImages" / "0.png")
    assert scenes_tables.main([*arguments, *some]) == 0
    assert out_of(arguments).read_text().count("\n") == PICTURES + 1


def test_limits_per_method(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    some = ["--methods", "gradient, guided, guided@c", "--limit", "4, guided:2", "--looks", "1,guided:0"]
    assert scenes_tables.main([*arguments, *some]) == 0
    table = capsys.readouterr().out
    assert "| gradient | 4, 1 twice |" in table and "| guided | 2 |" in table and "| guided@c | 2 |" in table


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--limit", "gp"], "limit: found 'gp', expected a number of pictures, or METHOD:NUMBER"),
        (["--looks", "5,pg:3"], "limit: found 'pg:3'"),
        (["--model", "tiny-mutli"], "the nearest known name is 'tiny-multi'"),
        (["--methods", "gradeint"], "the nearest known name is 'gradient'"),
        (["--box", "energy:2"], "found the fraction 2"),
    ],
)
def test_bad_arguments(arguments: list[str], wrong: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert scenes_tables.main([*arguments, *wrong]) == 2
    error = capsys.readouterr().err
    assert told in error and error.startswith("thinktwice: error: ") and error.count("\n") == 1


def test_a_file_of_other_results(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out_of(arguments).write_text('{"run": "gradient", "file": "a.png"}\n')
    assert scenes_tables.main(arguments) == 2
    assert "found a result that names no model or run or kind or picture" in capsys.readouterr().err


def test_a_method_that_the_net_does_not_allow_says_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    some = ["--model", "tiny-max", "--methods", "cam, guided", "--limit", "2"]
    assert scenes_tables.main([*arguments, *some]) == 0
    table = capsys.readouterr().out
    assert "| cam | 0 |" in table and "\ncam: method 'cam': " in table and "| guided | 2 |" in table


def test_json_has_the_numbers_of_the_table(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    some = ["--methods", "gradient"]
    scenes_tables.main([*arguments, *some])
    table = capsys.readouterr().out
    scenes_tables.main([*arguments, *some, "--table", "--json"])
    row = json.loads(capsys.readouterr().out)["tiny-multi"]["gradient"]
    assert f"| gradient | 6 | {row['pointing']:.1f} | {row['pointing_difficult']:.1f} | {row['box']:.1f} |" in table
    assert f"{row['again_top1']:.1f} ({row['again_top1'] - row['once_top1']:+.1f})" in table


def test_pictures_at_once_give_the_same_as_one_by_one(models: None, pictures: list[Picture]) -> None:
    runs = [Run.parsed(label) for label in ("gradient", "c-mwp@c", "feedback")]
    alike = tuple(p for p in pictures if p.size == (20, 28) and len(p.categories) == 3)
    assert len(alike) == 2
    for run in runs:
        for kind in ("maps", "looks"):
            together = scores(Task("tiny-multi", run, kind, alike, Settings(), "cpu"))
            alone = [scores(Task("tiny-multi", run, kind, (one,), Settings(), "cpu"))[0] for one in alike]
            assert together == alone


def test_batches_are_alike(pictures: list[Picture]) -> None:
    batches = list(scenes_tables.batches(pictures, 2))
    assert sorted(p.path.name for batch in batches for p in batch) == [f"{n}.png" for n in range(PICTURES)]
    assert all(len(batch) <= 2 and len({(len(p.categories), p.size) for p in batch}) == 1 for batch in batches)


def test_one_picture_by_hand(pictures: list[Picture]) -> None:
    """Two categories: one's map is its mask, the other's lies beside it."""
    picture = next(p for p in pictures if len(p.categories) == 2)
    (left, top, right, bottom), other = picture.boxes[0][0].astype(int), picture.boxes[1][0].astype(int)
    maps = np.zeros((2, *picture.size))
    maps[0, top:bottom, left:right] = 3
    maps[1, other[1] : other[3], other[2] : other[2] + 2] = 1  # to its right
    image = np.zeros((*picture.size, 3), np.uint8)
    found = map_scores(maps, image, picture, 0, Settings())
    assert found["hits"] == [True, False]
    assert found["box"] == [1, 0]
    assert found["mean"][0][1] == 1
    assert map_scores(maps, image, picture, 0, Settings(tolerance=0.5))["hits"] == [True, True]  # a pixel's centre
    pixels = found["pixels"]
    assert pixels["labels"] == [0, *(one + 1 for one in picture.categories)]
    assert pixels["common"][1][0] == pixels["truth"][1] == (bottom - top) * (right - left)
    assert pixels["common"][2][0] == 0 and pixels["predicted"][2][0] == 2 * (other[3] - other[1])
    assert "pixels" not in map_scores(maps, image, replace(picture, mask=None), 0, Settings())


def test_a_row_by_hand(pictures: list[Picture]) -> None:
    shown = [replace(p, mask=None) for p in pictures[1:3]]  # of 2 and 3 categories, in different halves
    first, second = (p.categories for p in shown)
    results = {
        "1": {"hits": [True, False], "box": [0.5, 0.6], "mean": [[0.9, 0.1], [0.9, 0.1]]},
        "2": {"hits": [True, True, False], "box": [0.51, 0, 0], "mean": [[0.1, 0.9]] * 3},
    }
    row = map_row(shown, results)
    hit_of: dict[int, list[bool]] = {}
    for one, hit in zip((*first, *second), (True, False, True, True, False), strict=True):
        hit_of.setdefault(one, []).append(hit)
    assert row["pointing"] == pytest.approx(100 * np.mean([np.mean(values) for values in hit_of.values()]))
    assert row["mean_box"] == 0  # each half's best alpha is the other half's worst
    assert np.isnan(row["mean_iou"]) and row["pictures"] == 2
    assert Pairs(shown, {"1": False, "2": True}).second.tolist() == [False] * 2 + [True] * 3
    assert map_row(shown, {}) == {} and look_row(shown, {}) == {}
    assert np.isnan(map_row(shown, {"1": results["1"]})["mean_box"])  # there is no other half


def test_the_centre_row_by_hand() -> None:
    at_centre, beside = np.array([[9, 9, 11, 11]]), np.array([[0, 0, 20, 9]])
    pictures = [
        Picture(Path("a.png"), (20, 20), (0, 1), (at_centre, beside), None),
        Picture(Path("b.png"), (20, 20), (1,), (np.array([[0, 0, 20, 20]]),), None),
    ]
    row = centre_row(pictures, tolerance=0)
    assert row == {
        "pictures": 2,
        "pointing": 75,
        "pointing_difficult": 100,
    }  # class 1: one of two; difficult: the small one
    assert centre_row(pictures, tolerance=1)["pointing"] == 100


def test_looks_by_hand() -> None:
    picture = Picture(Path("a.png"), (9, 9), (2, 4), (np.zeros((1, 4)),) * 2, None)
    row = look_row([picture], {"a": {"first": [1, 2, 3, 0, 5], "final": [4, 2, 1, 3, 0]}})
    expected = {"top1": (0, 100), "top5": (50, 100), "precision": (50, 100)}
    for name, (once, again) in expected.items():
        assert (row[f"once_{name}"], row[f"again_{name}"]) == (once, again)
    table = markdown("m", [picture], {"a": row}, Settings(tolerance=15))
    assert (
        "1 pictures, 2 pairs of a picture and a category, 2 of them difficult. Pointing: tolerance of 15 pixels."
        in table
    )
    assert "| a | 0, 1 twice |" in table and "| 100.0 (+100.0) | 100.0 (+50.0) | 100.0 (+50.0) |" in table


def test_a_mask_of_another_size(pictures: list[Picture]) -> None:
    mask = pictures[0].mask
    assert mask is not None
    assert read_mask(mask, (24, 24)).shape == (24, 24)
    with pytest.raises(BadInput, match=r"0\.png: found a mask of shape"):
        read_mask(mask, (24, 23))


def test_the_single_label_sibling_looks_twice(models: None, pictures: list[Picture]) -> None:
    run = Run.parsed("guided")
    multi, single = (
        scores(Task(model, run, "looks", (pictures[0],), Settings(), "cpu")) for model in ("tiny-multi", "tiny")
    )
    assert multi == single
    assert [asked("tiny-multi", kind) for kind in KINDS] == ["tiny-multi", "tiny"]
    assert asked("unknown-multi", "looks") == "unknown-multi"  # without a sibling it looks itself
