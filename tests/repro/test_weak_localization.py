"""The table of pointing and boxes, on pictures and a net made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thinktwice.caffe_models.weights import Weights
from thinktwice.caffe_models.writer import write_caffemodel
from thinktwice.errors import BadInput
from thinktwice.executor.load import load
from thinktwice.repro import weak_localization
from thinktwice.repro.datasets.boxes_csv import read_boxes_csv
from thinktwice.repro.protocols.pointing import hits, point

HEADER = "file,wnid,class_index,file_w,file_h,orig_w,orig_h,x0,y0,x1,y1\n"
NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 20 dim: 24 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "c" top: "c" }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "p" top: "fc" inner_product_param { num_output: 3 } }
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four squashed pictures and one that is not, each with a box or two in the pixels of an original twice as wide."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = []
    for number in range(5):
        width = 224 if number < 4 else 200
        Image.fromarray(rng.integers(0, 256, (224, width, 3), np.uint8)).save(folder / "images" / f"{number}.png")
        lines.append(f"{number}.png,n0,{number % 3},{width},224,448,224,0,0,448,112\n")
    lines.append("0.png,n0,0,224,224,448,224,0,112,224,224\n")
    (folder / "boxes.csv").write_text(HEADER + "".join(lines))
    return folder


@pytest.fixture
def arguments(tmp_path: Path, data: Path) -> list[str]:
    prototxt, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(NET)
    net = load(prototxt, seed=0, device="cpu")
    write_caffemodel(net.message, Weights("", dict(net.params)), weights)
    return ["--prototxt", str(prototxt), "--weights", str(weights), "--data", str(data), "--out", str(tmp_path / "out")]


def test_examples(data: Path) -> None:
    examples = read_boxes_csv(data)
    assert [example.path.name for example in examples] == [f"{number}.png" for number in range(5)]
    assert examples[0].boxes().tolist() == [[0, 0, 448, 112], [0, 112, 224, 224]]
    assert examples[0].size == (224, 448)
    assert {(thing.label, thing.name) for thing in examples[1].objects} == {(examples[1].label, "n0")}
    assert examples[0].covered == 0.75
    assert examples[1].covered == 0.5


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a.png,n0,x,224,224,448,224,0,0,1,1\n", "boxes.csv:2: class_index: found 'x'"),
        ("a.png,n0,1,224,224\n", "boxes.csv:2: orig_w: found None"),
    ],
)
def test_bad_tables(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "boxes.csv").write_text(HEADER + line)
    with pytest.raises(BadInput, match=told.replace(".", r"\.")):
        read_boxes_csv(tmp_path)


def test_missing_table(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"expected boxes\.csv"):
        read_boxes_csv(tmp_path)


def test_pointing() -> None:
    map_ = np.zeros((10, 20))
    map_[3, 5] = 1
    assert point(map_, (20, 80), blur=0) == (22.0, 7.0)
    assert hits((22.0, 7.0), np.array([[20, 6, 23, 8.0]]))
    assert not hits((23.0, 7.0), np.array([[20, 6, 23, 8.0]]))  # half-open
    map_[8, 15:18] = 0.9  # broad beats sharp once blurred
    assert point(map_, (10, 20), blur=0.1)[0] > 14


def test_a_stopped_run_goes_on(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(arguments[-1])
    some = ["--methods", "gradient, mwp@c", "--batch-size", "3"]
    assert weak_localization.main([*arguments, *some]) == 0
    lines = out.read_text().splitlines(keepends=True)
    assert len(lines) == 8
    whole = capsys.readouterr().out
    assert "| gradient | 4 |" in whole and "| mwp@c | 4 |" in whole and "| centre | 4 | 0.0 |" in whole
    out.write_text("".join(lines[:5]) + lines[5][:20])  # killed in the middle of a line
    assert weak_localization.main([*arguments, *some]) == 0
    assert capsys.readouterr().out == whole
    assert len({(r["run"], r["file"]) for r in map(json.loads, out.read_text().splitlines())}) == 8


def test_one_example_by_hand(arguments: list[str], data: Path) -> None:
    map_ = np.zeros((20, 24), np.float32)
    map_[2:8, 3:21] = 1
    example = read_boxes_csv(data)[1]
    record = weak_localization.score_map(map_, example)
    assert record["hit"]
    expected = (18 * 448 / 24 * 6 * 224 / 20) / (448 * 112)
    assert record["energy"] == pytest.approx(expected)
    assert record["mean"][2] == pytest.approx(expected)


def test_alpha_is_chosen_on_the_other_half() -> None:
    good, bad = [0.9, 0.1], [0.1, 0.9]
    assert weak_localization.best_mean_error([{"mean": good}, {"mean": good}]) == 0
    assert weak_localization.best_mean_error([{"mean": good}, {"mean": bad}]) == 100


def test_bad_rows(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert weak_localization.main([*arguments, "--methods", "gradeint"]) == 2
    assert "the nearest known name is 'gradient'" in capsys.readouterr().err
    assert weak_localization.main([*arguments, "--methods", "fsp mode=letter"]) == 2
    assert "mode" in capsys.readouterr().err
