"""Readers of VOC's and ImageNet's layouts: on small files made here, on real data where it lies beside, and on bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thinktwice.errors import BadInput
from thinktwice.repro.datasets.annotation import Noted, annotation_xml, read_annotation
from thinktwice.repro.datasets.boxes_csv import read_boxes_csv
from thinktwice.repro.datasets.examples import Object
from thinktwice.repro.datasets.imagenet import ImageNet
from thinktwice.repro.datasets.voc import CLASSES, Voc

XML = """<annotation>
  <folder>VOC2012</folder> <filename>{name}.png</filename>
  <size><width>30</width><height>20</height><depth>3</depth></size>
  <object><name>{one}</name><truncated>1</truncated><difficult>0</difficult>
    <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>20</ymax></bndbox>
    <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part></object>
  <object><name>{two}</name>
    <bndbox><xmax>7.5</xmax><xmin>3.5</xmin><ymin>1</ymin><ymax>1</ymax></bndbox></object>
</annotation>"""


def picture(path: Path, size: tuple[int, int] = (30, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    folder = tmp_path / "VOCdevkit" / "VOC2007"
    for name in ("ImageSets/Main", "Annotations", "SegmentationClass"):
        (folder / name).mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("a\nb\n\n")
    (folder / "ImageSets" / "Main" / "cat_val.txt").write_text("a  1\nb -1\n")
    for name in "ab":
        picture(folder / "JPEGImages" / f"{name}.png")
        (folder / "Annotations" / f"{name}.xml").write_text(XML.format(name=name, one="cat", two="person"))
    Image.new("P", (30, 20)).save(folder / "SegmentationClass" / "b.png")
    return folder


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    folder = tmp_path / "imagenet"
    picture(folder / "val" / "x.png")
    picture(folder / "val" / "deep" / "y 1.png", (9, 7))
    (folder / "synset_words.txt").write_text("n01 tench, Tinca tinca\nn02 goldfish\n")
    (folder / "val.txt").write_text("x.png 1\ndeep/y 1.png 0\n")
    (folder / "Annotations" / "val").mkdir(parents=True)
    (folder / "Annotations" / "val" / "x.xml").write_text(XML.format(name="x", one="n02", two="n01"))
    return folder


# -- VOC --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("above", [False, True])
def test_voc(voc: Path, above: bool) -> None:
    read = Voc(voc.parent if above else voc, "val")
    assert len(read) == 2 and read.names == ["a", "b"] and read.classes == CLASSES
    first, second = read
    assert first.path == voc / "JPEGImages" / "a.png" and first.size == (20, 30) and first.label is None
    cat, person = CLASSES.index("cat"), CLASSES.index("person")
    assert first.objects == (
        Object(cat, "cat", (0, 1, 30, 20), difficult=False, truncated=True),
        Object(person, "person", (2.5, 0, 7.5, 1)),
    )
    assert first.labels == (cat, person)
    assert first.boxes(person).tolist() == [[2.5, 0, 7.5, 1]] and len(first.boxes()) == 2
    assert first.boxes(0).shape == (0, 4)
    assert first.mask is None and second.mask == voc / "SegmentationClass" / "b.png"
    assert [example.path.stem for example in read[::-1]] == ["b", "a"] and read[-1] == second


def test_a_list_of_one_class_has_all_its_pictures(voc: Path) -> None:
    assert Voc(voc, "cat_val").names == ["a", "b"]


def test_voc_reads_nothing_before_it_is_asked(voc: Path) -> None:
    (voc / "Annotations" / "b.xml").write_text("<annotation>")
    read = Voc(voc, "val")
    assert read[0].objects
    with pytest.raises(BadInput):
        read[1]


def test_voc_with_classes_of_its_own(voc: Path) -> None:
    (voc / "classes.txt").write_text("person\ncat\n")
    assert [thing.label for thing in Voc(voc, "val")[0].objects] == [1, 0]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (">cat<", ">cta<", "a.xml: name: found 'cta', expected one of 20 classes; the nearest known name is 'cat'"),
        ("<xmin>1</xmin>", "<xmin>x</xmin>", "a.xml: object 1: bndbox/xmin: found 'x', expected a number of pixels"),
        ("<xmin>1</xmin>", "<xmin>nan</xmin>", "a.xml: object 1: bndbox/xmin: found 'nan', expected a number of pixels"),
        ("<xmin>1</xmin>", "", "a.xml: object 1: bndbox/xmin: found nothing, expected a text"),
        ("<xmin>1</xmin>", "<xmin>0</xmin>", "a.xml: object 1: bndbox: found 0 2 30 20, expected xmin ymin xmax ymax in order, from 1"),
        ("<ymax>20<", "<ymax>1<", "a.xml: object 1: bndbox: found 1 2 30 1, expected"),
        ("<xmax>30<", "<xmax>31<", "a.xml: object 1: bndbox: found 1 2 31 20, expected a box within 30 x 20 pixels"),
        ("<difficult>0<", "<difficult>no<", "a.xml: object 1: difficult: found 'no', expected 0 or 1"),
        ("<width>30<", "<width>0<", "a.xml: size: found 0 x 20 pixels, expected 1 at least"),
        ("<height>20</height>", "", "a.xml: size/height: found nothing, expected a text"),
        ("a.png", "c.png", "a.xml: filename: found 'c.png', expected a picture in"),
        ("</annotation>", "", "a.xml: is no XML (no element found"),
        ("annotation>", "image>", "a.xml: found <image>, expected <annotation>"),
    ],
)  # fmt: skip
def test_bad_annotations(voc: Path, old: str, new: str, told: str) -> None:
    path = voc / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BadInput) as error:
        Voc(voc, "val")[0]
    assert str(error.value).startswith(str(voc)) and told in str(error.value) and "\n" not in str(error.value)


def test_bad_folders(voc: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"Main: found no list 'vla', expected one of .*nearest known name is 'val'"):
        Voc(voc, "vla")
    with pytest.raises(BadInput, match="found no folder ImageSets, expected VOC's layout"):
        Voc(tmp_path / "nowhere", "val")
    (voc.parent / "VOC2012" / "ImageSets").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"found the folders \['VOC2007', 'VOC2012'\]"):
        Voc(voc.parent, "val")
    (voc / "Annotations" / "a.xml").unlink()
    with pytest.raises(BadInput, match=r"a\.xml: No such file or directory, expected a picture's annotation"):
        Voc(voc, "val")[0]


@pytest.mark.parametrize("first", [0, 1])
def test_annotations_are_read_as_they_were_written(tmp_path: Path, first: int) -> None:
    objects = (Noted("a", (0, 3, 9, 7), True, False), Noted("b & c", (2, 0, 3, 1), False, True))
    (tmp_path / "x.xml").write_text(annotation_xml("f", "x.png", (7, 9), objects, first, True), encoding="utf-8")
    assert read_annotation(tmp_path / "x.xml", first) == ("x.png", (7, 9), objects)


def test_real_voc(shared: Path) -> None:
    read = Voc(shared / "images" / "VOCdevkit", "val")
    assert len(read) == 50
    masks = 0
    for example in read:
        with Image.open(example.path) as image:
            assert (image.height, image.width) == example.size
        boxes = example.boxes()
        assert len(boxes) and (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= example.size[::-1]).all()
        if example.mask:
            masks += 1
            with Image.open(example.mask) as image:
                labels = set(np.unique(np.asarray(image)).tolist()) - {0, 255}
            assert labels == {label + 1 for label in example.labels}
    assert masks == 44
    assert len(Voc(shared / "images" / "VOCdevkit", "val", "Segmentation")) == 44
    (person,) = read[read.names.index("2007_000027")].objects
    assert person == (CLASSES.index("person"), "person", (173, 100, 349, 351), False, False)


# -- ImageNet ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["", "CLS-LOC"])
def test_imagenet(imagenet: Path, inner: str) -> None:
    if inner:  # as ILSVRC's own download has it
        (imagenet / "Data" / inner).mkdir(parents=True)
        (imagenet / "val").rename(imagenet / "Data" / inner / "val")
        (imagenet / "Annotations" / inner).mkdir()
        (imagenet / "Annotations" / "val").rename(imagenet / "Annotations" / inner / "val")
    read = ImageNet(imagenet, "val")
    assert len(read) == 2 and read.synsets == ("n01", "n02") and read.names == ("tench", "goldfish")
    first, second = read
    assert first.label == 1 and first.size == (20, 30) and first.path.is_file()
    assert first.objects == (
        Object(1, "goldfish", (1, 2, 31, 21), difficult=False, truncated=True),
        Object(0, "tench", (3.5, 1, 8.5, 2)),
    )
    assert second.label == 0 and second.size == (7, 9) and second.objects == ()
    assert [example.label for example in read[:]] == [1, 0]


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("val.txt", "x.png 1", "x.png 2", "val.txt:1: found 'x.png 2', expected a path and a label from 0 to 1"),
        ("val.txt", "x.png 1", "x.png", "val.txt:1: found 'x.png', expected a path and a label"),
        ("val.txt", "x.png 1", "z.png 1", "z.png: No such file or directory"),
        ("Annotations/val/x.xml", ">n02<", ">n03<", "x.xml: name: found 'n03', expected one of 2 ids of synset_words.txt"),
        ("Annotations/val/x.xml", "<xmin>1<", "<xmin>-1<", "x.xml: object 1: bndbox: found -1 2 30 20, expected"),
    ],
)  # fmt: skip
def test_bad_imagenet(imagenet: Path, file: str, old: str, new: str, told: str) -> None:
    path = imagenet / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BadInput) as error:
        ImageNet(imagenet, "val")[0]
    assert told in str(error.value) and str(error.value).startswith(str(imagenet)) and "\n" not in str(error.value)


def test_missing_lists_and_pictures(imagenet: Path) -> None:
    with pytest.raises(
        BadInput, match=r"found no list vla\.txt, expected one of \['val'\]; the nearest known name is 'val'"
    ):
        ImageNet(imagenet, "vla")
    (imagenet / "val" / "x.png").unlink()
    with pytest.raises(BadInput, match=r"x\.png: is not there, though val\.txt names it"):
        ImageNet(imagenet, "val")[0]
    (imagenet / "val" / "deep" / "y 1.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"y 1\.png: is no picture that can be read"):
        ImageNet(imagenet, "val")[1]
    (imagenet / "synset_words.txt").unlink()
    with pytest.raises(BadInput, match=r"synset_words\.txt: No such file or directory, expected a list"):
        ImageNet(imagenet, "val")


def test_real_imagenet_pictures(shared: Path, tmp_path: Path) -> None:
    """Real pictures in this layout; their boxes, in a table, are read apart and made the same kind of example."""
    known = read_boxes_csv(shared / "images" / "ilsvrc_val")
    assert len(known) == 300
    (tmp_path / "val").symlink_to(shared / "images" / "ilsvrc_val" / "images")
    (tmp_path / "synset_words.txt").write_text("".join(f"n{label} name {label}\n" for label in range(1000)))
    (tmp_path / "val.txt").write_text("".join(f"{example.path.name} {example.label}\n" for example in known))
    for example, other in zip(ImageNet(tmp_path, "val"), known, strict=True):
        assert example.label == other.label and example.size == other.file_size
        assert len(other.boxes()) and (other.boxes()[:, 2:] <= other.size[::-1]).all()
