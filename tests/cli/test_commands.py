"""What each command does with good input."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from thinktwice.attention.attend import attend
from thinktwice.attention.maps import resize
from thinktwice.attention.methods import METHODS
from thinktwice.caffe_models.catalogue import find_model
from thinktwice.caffe_models.definition import read_net
from thinktwice.caffe_models.weights import read_weights
from thinktwice.cli.main import COMMANDS
from thinktwice.executor.load import load
from thinktwice.repro.images import Preprocessing, prepare, read_image
from thinktwice.repro.protocols.pointing import inside

FILES = "--prototxt net.prototxt --weights net.caffemodel"


# --- the command line ---------------------------------------------------------------------------------------


def test_help_lists_every_command(run):
    told = run("--help")
    assert told.status == 0
    assert all(name in told.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run, command):
    told = run(f"{command} --help")
    assert (told.status, told.err) == (0, "")
    assert f"usage: thinktwice {command}" in told.out


def test_help_imports_no_array_library(folder):
    code = (
        "import sys; from thinktwice.cli.main import main; main(['--help'])\n"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'google.protobuf', 'rich', 'PIL')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_version(run):
    told = run("--version")
    assert told.status == 0
    assert told.out.startswith("thinktwice 0.")


@pytest.mark.parametrize("variable", ["NO_COLOR", None])
def test_tables_in_a_pipe_have_no_colours_and_are_not_wrapped(folder, variable):
    environment = {**os.environ, **({variable: "1"} if variable else {})}
    line = [sys.executable, "-m", "thinktwice", "inspect", "net.prototxt"]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout
    assert any("conv1" in row and "Convolution" in row and "2x4x16x18" in row for row in done.stdout.splitlines())


def test_a_long_file_name_stays_in_one_piece(run, folder):
    name = "photo-" + "x" * 150 + ".png"
    (folder / name).write_bytes((folder / "photo.png").read_bytes())
    assert name in run(f"classify {name} {FILES}").out


def test_brackets_in_names_are_no_markup(run, folder):
    text = (folder / "net.prototxt").read_text().replace('name: "relu1"', 'name: "[red]relu1[/red]"')
    (folder / "brackets.prototxt").write_text(text)
    assert "[red]relu1[/red]" in run("inspect brackets.prototxt").out


# --- inspect ------------------------------------------------------------------------------------------------


def test_inspect_tells_shapes_counts_and_receptive_fields(run):
    told = run("inspect net.prototxt net.caffemodel --json")
    assert told.status == 0
    layers = {layer["name"]: layer for layer in told.json["layers"]}
    conv, pool, fc = layers["conv1"], layers["pool1"], layers["fc"]
    assert conv["top_shapes"] == [[2, 4, 16, 18]]
    assert conv["parameter_shapes"] == [[4, 3, 3, 3], [4]]
    assert conv["parameters"] == 4 * 27 + 4
    assert conv["multiply_adds"] == 4 * 27 * 16 * 18  # of one image, though the batch is two
    assert (conv["receptive_field"], pool["receptive_field"]) == ([3, 3], [4, 4])
    assert (conv["stride"], pool["stride"]) == ([1, 1], [2, 2])
    assert fc["receptive_field"] == [4 + 7 * 2, 4 + 8 * 2]  # all 8 x 9 positions
    assert fc["multiply_adds"] == 5 * 4 * 8 * 9
    assert told.json["totals"]["parameters"] == 112 + 5 * 288 + 5
    assert told.json["totals"]["multiply_adds"] == conv["multiply_adds"] + fc["multiply_adds"]
    assert any("the weights fit" in note for note in told.json["notes"])


def test_inspect_shows_the_deploy_view_and_asks_for_the_shape(run):
    told = run("inspect train_val.prototxt --json")
    assert told.status == 0
    assert [layer["type"] for layer in told.json["layers"]] == ["Input", "InnerProduct"]
    assert told.json["inputs"] == {"data": None}
    assert told.json["totals"]["parameters"] is None
    assert any("--shape data=N,C,H,W" in note for note in told.json["notes"])
    assert any("'loss'" in note for note in told.json["notes"])


def test_a_shape_settles_it(run):
    told = run("inspect train_val.prototxt --shape data=3,1,28,28 --json")
    assert told.json["totals"]["parameters"] == 5 * 784 + 5
    assert not any("--shape" in note for note in told.json["notes"])


def test_the_phase_chooses_layers(run):
    told = run("inspect train_val.prototxt --phase TRAIN --shape data=7,1,2,2 --json")
    assert [layer["type"] for layer in told.json["layers"]] == ["Input", "Input", "InnerProduct", "SoftmaxWithLoss"]
    assert told.json["inputs"] == {"data": [7, 1, 2, 2], "label": [7]}


def test_inspect_says_what_it_upgraded(run):
    assert run("inspect v1.prototxt --json").json["format"] == "V1"
    assert "upgraded from V1" in run("inspect v1.prototxt").out


def test_upgraded_text_is_v2_and_means_the_same(run, folder, tmp_path):
    assert run(["inspect", "v1.prototxt", "--upgrade", str(tmp_path / "v2.prototxt")]).status == 0
    assert run(["inspect", str(tmp_path / "v2.prototxt"), "--json"]).json["format"] == "V2"
    assert read_net(tmp_path / "v2.prototxt") == read_net(folder / "v1.prototxt")


@pytest.mark.parametrize("name", ["new.caffemodel", "new.caffemodel.h5"])
@pytest.mark.parametrize("source", ["net.caffemodel", "net.caffemodel.h5"])
def test_upgraded_weights_are_the_same_numbers(run, folder, tmp_path, source, name):
    assert run(["inspect", "net.prototxt", source, "--upgrade", str(tmp_path / name)]).status == 0
    old, new = read_weights(folder / "net.caffemodel").blobs, read_weights(tmp_path / name).blobs
    assert old.keys() == new.keys()
    for layer in old:
        for before, after in zip(old[layer], new[layer], strict=True):
            np.testing.assert_array_equal(before, after)


# --- forward, crosscheck, export-onnx -----------------------------------------------------------------------


@pytest.mark.parametrize("source", ["x.npy", "x.npz"])
def test_forward_stores_every_blob(run, folder, tmp_path, source):
    out = tmp_path / "y.npz"
    told = run(f"forward {FILES} --input {source} --out {out} --device cpu --json")
    assert told.status == 0
    net = load(folder / "net.prototxt", folder / "net.caffemodel", device="cpu")
    trace = net.forward(data=np.load(folder / "x.npy"))
    with np.load(out) as stored:
        assert sorted(stored) == sorted(net.blobs)
        for blob in net.blobs:
            np.testing.assert_array_equal(stored[blob], trace[blob])
            assert told.json["blobs"][blob]["shape"] == list(trace[blob].shape)


def test_forward_stores_only_what_is_asked_for(run, tmp_path):
    out = tmp_path / "y.npz"
    assert run(f"forward {FILES} --input x.npy --blobs prob,conv1 --out {out} --dtype float64").status == 0
    with np.load(out) as stored:
        assert sorted(stored) == ["conv1", "prob"]
        assert stored["conv1"].dtype == np.float64


def test_an_array_settles_an_unknown_shape(run, tmp_path):
    line = f"forward --prototxt no_shape.prototxt --weights net.caffemodel --input x.npy --out {tmp_path / 'y.npz'}"
    assert run(line).status == 0


def test_a_blob_may_be_called_file(run, folder, tmp_path):
    (folder / "file.prototxt").write_text((folder / "net.prototxt").read_text().replace('"prob"', '"file"'))
    line = f"forward --prototxt file.prototxt --weights net.caffemodel --input x.npy --out {tmp_path / 'y.npz'}"
    assert run(line).status == 0
    with np.load(tmp_path / "y.npz") as stored:
        assert stored["file"].shape == (2, 5)


def test_crosscheck_agrees(run):
    pytest.importorskip("onnxruntime")
    told = run(f"crosscheck {FILES} --input x.npy --json")
    assert told.status == 0
    assert told.json["agrees"]
    assert told.json["first_divergence"] is None
    assert [row["blob"] for row in told.json["blobs"]] == ["conv1@relu1", "conv1", "pool1", "fc", "prob"]


def test_crosscheck_names_the_first_layer_to_diverge(run, monkeypatch):
    pytest.importorskip("onnxruntime")
    from thinktwice.layers.pooling import Pooling

    forward = Pooling.forward
    monkeypatch.setattr(Pooling, "forward", lambda *given: ([2 * forward(*given)[0][0]], forward(*given)[1]))
    told = run("crosscheck --prototxt net.prototxt")
    assert told.status == 1
    assert "first to diverge: blob 'pool1' of layer 'pool1'" in told.out
    assert "random weights from seed 0" in told.err


def test_export_onnx(run, tmp_path):
    onnx = pytest.importorskip("onnx")
    told = run(f"export-onnx {FILES} --out {tmp_path / 'm.onnx'} --json")
    assert told.status == 0
    assert told.json["outputs"] == {"prob": [2, 5]}
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)


# --- classify -----------------------------------------------------------------------------------------------


def test_classify_ranks_the_probabilities(run, folder):
    told = run(f"classify photo.png {FILES} --labels labels.txt --top 3 --json")
    assert told.status == 0
    net = load(folder / "net.prototxt", folder / "net.caffemodel", device="cpu")
    blob = prepare(read_image(folder / "photo.png"), (3, 16, 18), Preprocessing())
    prob = np.asarray(net.forward(data=blob[None])["prob"][0])
    classes = told.json["images"][0]["classes"]
    assert [entry["index"] for entry in classes] == list(np.argsort(-prob)[:3])
    np.testing.assert_allclose([entry["probability"] for entry in classes], np.sort(prob)[::-1][:3], rtol=1e-6)
    assert told.json["preprocessing"]["mean"] == [104, 117, 123]
    assert {entry["wnid"] for entry in classes} <= {f"n0000000{number}" for number in range(1, 6)}


def test_softmax_is_applied_where_the_net_stops_at_scores(run):
    with_softmax = run(f"classify photo.png {FILES} --json").json["images"]
    without = run("classify photo.png --prototxt scores.prototxt --weights net.caffemodel --json").json["images"]
    for one, other in zip(with_softmax[0]["classes"], without[0]["classes"], strict=True):
        assert one["index"] == other["index"]
        assert one["probability"] == pytest.approx(other["probability"], rel=1e-5)


def test_batches_do_not_change_the_answer(run, folder):
    Image.fromarray(255 - read_image(folder / "photo.png")).save(folder / "negative.png")
    line = f"classify photo.png negative.png photo.png {FILES} --scale 0.01 --json --batch-size"
    one, two = run(f"{line} 1").json["images"], run(f"{line} 2").json["images"]
    assert [entry["image"] for entry in one] == ["photo.png", "negative.png", "photo.png"]
    for a, b in zip(one, two, strict=True):
        assert [entry["index"] for entry in a["classes"]] == [entry["index"] for entry in b["classes"]]
    assert one[0]["classes"][0] != one[1]["classes"][0]


def test_limit_takes_the_first_images(run):
    assert len(run(f"classify photo.png photo.png photo.png {FILES} --limit 2 --json").json["images"]) == 2


@pytest.mark.parametrize(
    "flags", ["--mean 0", "--mean mean.npy", "--channel-order RGB", "--scale 0.01", "--resize shorter"]
)
def test_preprocessing_flags_count(run, flags):
    plain, changed = (run(f"classify photo.png {FILES} {more} --json").json for more in ("", flags))
    assert plain["preprocessing"] != changed["preprocessing"]
    assert plain["images"] != changed["images"]


def test_classify_as_a_table(run):
    told = run(f"classify photo.png {FILES} --labels plain.txt")
    assert "two, zwei" in told.out
    assert "photo.png" in told.out


# --- attend -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_attend_stores_maps_and_draws_them(run, folder, tmp_path, method):
    model, out, overlay = find_model("scenes-googlenet"), tmp_path / "map.npz", tmp_path / "o.png"
    line = f"attend photo.png --model scenes-googlenet --target 1,s00000004,zebra --method {method} --device cpu"
    told = run(f"{line} --out {out} --overlay {overlay} --json")
    assert told.status == 0
    net = load(model.prototxt, model.weights[0], device="cpu")
    blob = prepare(read_image(folder / "photo.png"), net.shapes()["data"][1:], Preprocessing(scale=model.scale))
    expected = attend(net, blob, [1, 4, 0], method)
    with np.load(out, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["map"], expected.map[0])
        np.testing.assert_array_equal(stored["resized"], resize(expected.map, 24, 30)[0])
        assert stored["targets"].tolist() == [1, 4, 0]
        meta = json.loads(str(stored["meta"]))
    assert (meta["method"], meta["at"]) == (method, expected.at)
    assert meta["names"] == ["giraffe", "bird", "zebra"]
    assert meta["files"]["weights"]["sha256"] == hashlib.sha256(model.weights[0].read_bytes()).hexdigest()
    assert meta == told.json["meta"]
    with Image.open(overlay) as picture:
        assert picture.format == "PNG"
        assert picture.width > 4 * 200


def test_a_whole_name_with_commas_is_one_target(run, tmp_path):
    line = ["attend", "photo.png", *FILES.split(), "--labels", "labels.txt", "--out", str(tmp_path / "m.npz"), "--json"]
    told = run([*line, "--target", "african ELEPHANT,Loxodonta africana, 3"])
    assert told.json["meta"]["targets"] == [[4, 3]]


def test_options_and_place_reach_the_method(run, tmp_path):
    told = run(
        f"attend photo.png {FILES} --target 0 --method gradient -o reduce=sum_abs --at conv1 --out {tmp_path / 'm.npz'} --json"
    )
    assert told.json["meta"]["options"]["reduce"] == "sum_abs"
    assert told.json["meta"]["at"] == "conv1"
    assert told.json["shape"] == [1, 16, 18]


def test_where_the_net_saw_the_centre_the_map_is_0_around_it(run, folder, tmp_path):
    wide = np.tile(read_image(folder / "photo.png"), (1, 3, 1))
    Image.fromarray(wide).save(folder / "wide.png")
    out = tmp_path / "m.npz"
    told = run(f"attend wide.png {FILES} --target 0 --method gradient --resize shorter --out {out} --json")
    seen = told.json["meta"]["seen"]
    with np.load(out) as stored:
        resized = stored["resized"][0]
    assert resized.shape == (24, 90)
    assert 0 < seen["left"] < seen["right"] < 90
    assert not resized[:, : seen["left"]].any()
    assert not resized[:, seen["right"] :].any()
    assert resized[:, seen["left"] : seen["right"]].all(1).any()


# --- methods ------------------------------------------------------------------------------------------


def test_methods(run):
    told = run("methods --json")
    assert [method["name"] for method in told.json] == list(METHODS)
    assert all(method["paper"] and method["equation"] for method in told.json)
    assert all(name in run("methods").out for name in METHODS)


@pytest.mark.parametrize(
    ("place", "is_inside"),
    [((2, 3), True), ((9, 7), True), ((10, 7), False), ((9, 8), False), ((1, 3), False), (None, False)],
)
def test_the_right_and_lower_ends_of_a_box_are_outside_it(place, is_inside):
    assert inside(place, (2, 3, 10, 8)) is is_inside


def test_notes_keep_to_stderr_and_quiet_leaves_them_out(run, tmp_path):
    line = f"forward --prototxt train_val.prototxt --shape data=2,1,4,6 --weights fc.caffemodel --input f.npy --out {tmp_path / 'y'}"
    np.save("f.npy", np.zeros((2, 1, 4, 6), np.float32))
    seeded = "export-onnx --prototxt train_val.prototxt --shape data=2,1,4,6 --seed 1 --json --out"
    pytest.importorskip("onnx")
    loud, quiet = run(f"{seeded} {tmp_path / 'm.onnx'}"), run(f"{seeded} {tmp_path / 'm.onnx'} --quiet")
    assert loud.json == quiet.json
    assert "left out" in loud.err
    assert quiet.err == ""
    assert run(line).status == 2  # there are no such weights


# --- real files ---------------------------------------------------------------------------------------------


def test_every_zoo_definition_can_be_inspected(run, shared):
    paths = sorted((shared / "models/zoo_prototxt").rglob("*.prototxt"))
    assert paths
    for path in paths:
        told = run(["inspect", str(path), "--json"])
        assert told.status == 0, told.err
        assert told.json["layers"]


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("bvlc_alexnet_deploy", 60_965_224, 724_406_816),
        ("bvlc_googlenet_deploy", 6_998_552, 1_582_671_872),
        ("v1/alexnet_deploy", 60_965_224, 724_406_816),
    ],
)
def test_known_totals(run, shared, name, parameters, multiply_adds):
    totals = run(["inspect", str(shared / f"models/zoo_prototxt/{name}.prototxt"), "--json"]).json["totals"]
    assert (totals["parameters"], totals["multiply_adds"]) == (parameters, multiply_adds)


def test_known_receptive_fields(run, shared):
    told = run(["inspect", str(shared / "models/zoo_prototxt/bvlc_alexnet_deploy.prototxt"), "--json"])
    fields = {layer["name"]: (layer["receptive_field"], layer["stride"]) for layer in told.json["layers"]}
    assert fields["conv5"] == ([163, 163], [16, 16])
    assert fields["pool5"] == ([195, 195], [32, 32])


@pytest.fixture
def squeezenet(shared):
    place = shared / "models/squeezenet_v1.0"
    files = [place / "deploy.prototxt", place / "squeezenet_v1.0.caffemodel", place / "synset_words.txt"]
    return [
        word for pair in zip(("--prototxt", "--weights", "--labels"), map(str, files), strict=True) for word in pair
    ]


def test_a_real_classifier_on_real_images(run, shared, squeezenet):
    demo = shared / "images/demo"
    told = run(["classify", str(demo / "elephant_zebra_1.jpg"), str(demo / "cat_dog_2.jpg"), *squeezenet, "--json"])
    first, second = ([entry["index"] for entry in image["classes"]] for image in told.json["images"])
    assert first[:2] == [340, 386]
    assert any(151 <= index <= 268 for index in second)  # a breed of dogs


def test_a_real_map_lies_on_its_animal(run, shared, squeezenet, tmp_path):
    image, out = str(shared / "images/demo/elephant_zebra_1.jpg"), tmp_path / "m.npz"
    told = run(
        [
            "attend",
            image,
            *squeezenet,
            "--target",
            "zebra,African elephant, Loxodonta africana",
            "--out",
            str(out),
            "--json",
        ]
    )
    assert told.json["meta"]["targets"] == [[340, 386]]
    with np.load(out) as stored:
        zebra, elephant = stored["resized"]
    assert np.unravel_index(zebra.argmax(), zebra.shape)[0] > 160  # the zebra stands in front, below
    assert np.unravel_index(elephant.argmax(), elephant.shape)[0] < 160


@pytest.mark.parametrize("line", [["crosscheck"], ["export-onnx", "--out", "m.onnx"]])
def test_every_command_knows_the_catalogue(run, line, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the extra `cpu` is not installed")
    monkeypatch.chdir(tmp_path)
    told = run([*line, "--model", "scenes-googlenet", "--json"])
    assert told.status == 0 and told.json
