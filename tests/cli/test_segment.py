"""The command `segment`: an indexed mask, an overlay, and bad input."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from thinktwice.attention.attend import attend
from thinktwice.attention.regions import added, class_regions, over_superpixels
from thinktwice.cli.colours import classes
from thinktwice.cli.commands.segment import indexed, marked
from thinktwice.executor.load import load
from thinktwice.repro.images import Preprocessing, prepare, read_image

FILES = "--prototxt net.prototxt --weights net.caffemodel"
SEGMENT = f"segment photo.png {FILES} --target 2,0"


@pytest.fixture
def libraries():
    pytest.importorskip("cv2", reason="OpenCV is not installed (extra `segment`)")
    pytest.importorskip("skimage", reason="scikit-image is not installed (extra `segment`)")


@pytest.mark.parametrize("methods", ["gradient", "gradient,mwp"])
@pytest.mark.parametrize("superpixels", [0, 40])
@pytest.mark.parametrize("cut", ["grabcut", "saliency-cut"])
def test_the_mask_is_that_of_python(run, folder, tmp_path, libraries, cut, superpixels, methods):
    out = tmp_path / "mask.png"
    told = run(f"{SEGMENT} --method {methods} --with {cut} --superpixels {superpixels} --out {out} --json").json
    net = load(folder / "net.prototxt", folder / "net.caffemodel", device="cpu")
    picture = read_image(folder / "photo.png")
    x = prepare(picture, (3, 16, 18), Preprocessing())
    energies = added([attend(net, x, [2, 0], name).resized(24, 30)[0] for name in methods.split(",")])
    if superpixels:
        energies = over_superpixels(picture, energies, superpixels)
    expected = class_regions(picture, energies, cut)
    stored = Image.open(out)
    assert stored.mode == "P"
    assert np.array_equal(np.asarray(stored), expected)
    assert [target["mask_index"] for target in told["targets"]] == [1, 2]
    assert [target["index"] for target in told["targets"]] == [2, 0]
    assert [target["pixels"] for target in told["targets"]] == [(expected == 1).sum(), (expected == 2).sum()]
    if cut == "grabcut":
        assert expected.any()  # else nothing would be compared


def test_the_defaults_are_procedure_2(run, tmp_path, libraries):
    told = run(f"{SEGMENT} --out {tmp_path / 'mask.png'} --json").json
    assert [method["name"] for method in told["methods"]] == ["summation", "fsp-fr"]
    assert (told["with"], told["superpixels"]) == ("saliency-cut", 300)


def test_without_json_there_is_a_table_and_notes(run, tmp_path, libraries):
    mask, overlay = tmp_path / "mask.png", tmp_path / "o.png"
    told = run(f"{SEGMENT} --method gradient --with grabcut --labels labels.txt --out {mask} --overlay {overlay}")
    assert told.status == 0
    assert "grabcut of gradient" in told.out
    assert "tench" in told.out
    assert told.err == f"stored: {mask}\nstored: {overlay}\n"
    assert Image.open(overlay).mode == "RGB"


def test_a_mask_has_a_palette_and_keeps_its_indices(tmp_path):
    mask = np.array([[0, 1, 2], [2, 0, 254]], np.uint8)
    indexed(mask).save(tmp_path / "mask.png")
    stored = Image.open(tmp_path / "mask.png")
    assert np.array_equal(np.asarray(stored), mask)
    assert np.array_equal(np.asarray(stored.convert("RGB")), classes()[mask])


def test_marks_lie_over_the_classes_alone():
    picture = np.full((7, 9, 3), 100, np.uint8)
    mask = np.zeros((7, 9), np.uint8)
    mask[1:6, 1:6] = 2
    shown = marked(picture, mask)
    assert (shown[mask == 0] == 100).all()
    assert (shown[1, 1:6] == classes()[2]).all()  # its edge
    assert np.array_equal(shown[3, 3], np.rint(0.45 * 100 + 0.55 * classes()[2]).astype(np.uint8))


def test_what_reaches_the_image_s_border_has_no_edge_there():
    picture, mask = np.full((5, 5, 3), 100, np.uint8), np.ones((5, 5), np.uint8)
    assert not (marked(picture, mask) == classes()[1]).all(-1).any()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("", "found neither --out nor --overlay"),
        ("--out no/mask.png", "no folder no"),
        ("--out mask.png --with graphcut", "'graphcut'"),
        ("--out mask.png --superpixels -1", "--superpixels"),
        ("--out mask.png --method gradient,gradiant", "the nearest known name is 'gradient'"),
        ("--out mask.png --method gradient,mwp -o iteration=1", "found option 'iteration'"),
        ("--out mask.png --target 1,1", "found a class twice"),
    ],
)
def test_bad_input_is_one_line(run, libraries, flags, told):
    answer = run(f"{SEGMENT} {flags}")
    assert answer.status == 2
    assert answer.err.startswith("thinktwice: error: ")
    assert answer.err.count("\n") == 1
    assert told in answer.err


def test_missing_opencv_is_told_before_anything_is_computed(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    answer = run("segment nowhere.png --target 1 --out mask.png")
    assert answer.status == 2
    assert "pip install 'thinktwice[segment]'" in answer.err
