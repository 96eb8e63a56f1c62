"""Scenes as files: what the readers find in them is what was drawn, and a run that was stopped goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thinktwice.errors import BadInput
from thinktwice.repro.datasets.imagenet import ImageNet
from thinktwice.repro.datasets.scenes import __main__ as command
from thinktwice.repro.datasets.scenes import layouts, writing
from thinktwice.repro.datasets.scenes.classes import CLASSES
from thinktwice.repro.datasets.scenes.compose import scene
from thinktwice.repro.datasets.scenes.layouts import SYNSETS, class_mask, palette
from thinktwice.repro.datasets.voc import Voc

COUNTS = {"single": {"train": 5, "val": 2, "test": 3}, "multi": {"train": 3, "val": 2, "test": 4}}
SEED = 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scenes")
    writing.write(out, SEED, COUNTS)
    return out


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_single_is_read_back(folder: Path, split: str) -> None:
    read = ImageNet(folder / "single", split)
    assert len(read) == COUNTS["single"][split]
    assert read.synsets == SYNSETS and read.names == CLASSES
    for number, example in enumerate(read):
        shown = scene(SEED, "single", split, number)
        np.testing.assert_array_equal(pixels(example.path), shown.image)
        assert example.size == shown.mask.shape
        assert example.label == shown.things[0].label
        assert [tuple(thing) for thing in example.objects] == [
            (thing.label, thing.name, thing.box, thing.difficult, thing.truncated) for thing in shown.things
        ]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_multi_is_read_back(folder: Path, split: str) -> None:
    read = Voc(folder / "multi", split)
    assert len(read) == COUNTS["multi"][split] and read.classes == CLASSES
    for number, example in enumerate(read):
        shown = scene(SEED, "multi", split, number)
        np.testing.assert_array_equal(pixels(example.path), shown.image)
        assert example.size == shown.mask.shape and example.label is None
        assert [tuple(thing) for thing in example.objects] == [
            (thing.label, thing.name, thing.box, thing.difficult, thing.truncated) for thing in shown.things
        ]
        assert example.mask and example.instances
        np.testing.assert_array_equal(pixels(example.mask), class_mask(shown))
        np.testing.assert_array_equal(pixels(example.instances), shown.mask)
        for thing in shown.things:
            assert (class_mask(shown) == thing.label + 1).any()


def test_caffes_lists(folder: Path) -> None:
    lines = (folder / "single" / "train.txt").read_text().splitlines()
    for line in lines:
        file, label = line.split(" ")
        assert (folder / "single" / "train" / file).is_file()
        assert file.startswith(SYNSETS[int(label)] + "/")
    assert (folder / "single" / "synset_words.txt").read_text().splitlines()[0] == "s00000000 zebra"


def test_the_lists_of_each_class(folder: Path) -> None:
    sets = folder / "multi" / "ImageSets" / "Main"
    for label, name in enumerate(CLASSES):
        for (file, presence), example in zip(
            (line.split() for line in (sets / f"{name}_test.txt").read_text().splitlines()),
            Voc(folder / "multi", "test"),
            strict=True,
        ):
            assert file == example.path.stem
            own = [thing.difficult for thing in example.objects if thing.label == label]
            assert int(presence) == (-1 if not own else 0 if all(own) else 1)


def test_a_class_all_of_whose_objects_are_difficult_counts_0() -> None:
    from thinktwice.repro.datasets.examples import Example, Object

    box = (0, 0, 1, 1)
    shown = (Object(2, "a", box, difficult=True), Object(3, "b", box), Object(3, "b", box, difficult=True))
    assert layouts._presence(Example(Path("a"), (9, 9), shown)) == {2: 0, 3: 1}


def test_vocs_colours() -> None:
    colours = np.reshape(palette(), (256, 3)).tolist()
    assert colours[:5] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]
    assert colours[15] == [192, 128, 128] and colours[20] == [0, 64, 128] and colours[255] == [224, 224, 192]


def test_vocs_colours_are_those_of_real_masks(shared: Path) -> None:
    mask = next((shared / "images" / "VOCdevkit" / "VOC2012" / "SegmentationClass").glob("*.png"))
    with Image.open(mask) as image:
        assert list(image.getpalette() or ()) == palette()


def test_a_stopped_run_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is missing is drawn, and then everything is as if the run had never been stopped."""
    drawn: list[tuple] = []

    def counted(*which):
        drawn.append(which)
        if len(drawn) == 4:
            raise KeyboardInterrupt
        return scene(*which)

    monkeypatch.setattr(layouts, "scene", counted)
    with pytest.raises(KeyboardInterrupt):
        writing.write(tmp_path, SEED, COUNTS)
    assert not (tmp_path / "single" / "train.txt").exists()
    (tmp_path / "single" / "train" / ".half.png").write_bytes(b"\x89PNG")  # as a killed writer leaves it
    writing.write(tmp_path, SEED, COUNTS)
    whole = sum(count for splits in COUNTS.values() for count in splits.values())
    assert len(drawn) == whole + 1
    (tmp_path / "single" / "train" / ".half.png").unlink()
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert files == {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert all((folder / file).read_bytes() == (tmp_path / file).read_bytes() for file in files)


def test_larger_numbers_add_pictures(tmp_path: Path) -> None:
    few = {"single": {"train": 1, "val": 1, "test": 1}}
    writing.write(tmp_path, SEED, few)
    first = (tmp_path / "single" / "val" / "scenes_val_00000000.png").stat().st_mtime_ns
    writing.write(tmp_path, SEED, {"single": {"train": 0, "val": 2, "test": 1}, "multi": {"train": 0}})
    assert len(ImageNet(tmp_path / "single", "train")) == 1  # none asked for: its list stays
    assert not (tmp_path / "multi").exists()
    assert len(ImageNet(tmp_path / "single", "val")) == 2
    assert (tmp_path / "single" / "val" / "scenes_val_00000000.png").stat().st_mtime_ns == first


def test_scenes_of_another_seed_are_refused(folder: Path) -> None:
    with pytest.raises(
        BadInput, match=r'scenes\.json: found scenes of \{"edition": 1, "seed": 11\}, expected .*"seed": 12'
    ):
        writing.write(folder, 12, COUNTS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seed", "-1"], "--seed: found '-1', expected a whole number from 0"),
        (["--single", "1,2"], "--single: found '1,2', expected three whole numbers: pictures of train, val, test"),
        (["--multi", "1,x,2"], "--multi: found '1,x,2', expected three"),
        (["--jobs", "0"], "--jobs: found '0', expected a number of processes from 1"),
    ],
)
def test_bad_arguments(arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert command.main(["--out", str(tmp_path / "file"), "--single", "1,0,0", "--multi", "0,0,0"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_the_command_in_several_processes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = {part: ",".join(map(str, splits.values())) for part, splits in COUNTS.items()}
    arguments = ["--out", str(tmp_path), "--seed", str(SEED), "--jobs", "2"]
    assert command.main([*arguments, "--single", numbers["single"], "--multi", numbers["multi"]]) == 0
    assert capsys.readouterr().out == ""
    for path in folder.rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes()
