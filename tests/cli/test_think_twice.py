"""`classify --think-twice`: both glances as data and as tables, and bad input."""

from __future__ import annotations

import pytest

from thinktwice.attention.think_twice import think_twice
from thinktwice.executor.load import load
from thinktwice.repro.images import Preprocessing, prepare, read_image

FILES = "--prototxt net.prototxt --weights net.caffemodel"
CLASSIFY = f"classify photo.png {FILES}"


def pairs(entries):
    return [(entry["index"], entry["probability"]) for entry in entries]


@pytest.mark.parametrize("merge", ["max", "sum"])
def test_the_answer_is_that_of_python(run, folder, merge):
    line = f"{CLASSIFY} --think-twice gradient -o reduce=sum_abs --top 3 --merge {merge} --labels labels.txt --json"
    told = run(line).json
    net = load(folder / "net.prototxt", folder / "net.caffemodel", device="cpu")
    thought = think_twice(
        net, read_image(folder / "photo.png"), lambda picture: prepare(picture, (3, 16, 18), Preprocessing()),
        "gradient", top=3, merge=merge, options={"reduce": "sum_abs"},
    )  # fmt: skip
    image = told["images"][0]
    for entries, glance in ((image["first_glance"], thought.first), (image["classes"], thought.final)):
        assert pairs(entries) == list(zip(glance.classes.tolist(), glance.confidences.tolist(), strict=True))
    assert [crop["of"]["index"] for crop in image["crops"]] == thought.first.classes.tolist()
    assert [list(crop["box"].values()) for crop in image["crops"]] == thought.boxes.tolist()
    assert [[entry["index"] for entry in crop["classes"]] for crop in image["crops"]] == thought.crops.classes.tolist()
    assert told["think_twice"]["method"] == "gradient"
    assert told["think_twice"]["options"]["reduce"] == "sum_abs"
    assert image["classes"][0]["name"]


def test_the_first_glance_is_what_classify_says_without(run):
    plain = run(f"{CLASSIFY} --json").json["images"][0]["classes"]
    twice = run(f"{CLASSIFY} --think-twice gradient --json").json["images"][0]
    assert [index for index, _ in pairs(plain)] == [index for index, _ in pairs(twice["first_glance"])]
    assert [p for _, p in pairs(plain)] == pytest.approx([p for _, p in pairs(twice["first_glance"])])


def test_without_json_there_are_two_tables_for_each_image(run):
    told = run(f"classify photo.png photo.png {FILES} --think-twice gradient --labels labels.txt --limit 2")
    assert told.status == 0
    assert told.out.count("photo.png: first glance") == told.out.count("photo.png: second glance") == 2
    assert "seen there" in told.out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--think-twice gradiant", "the nearest known name is 'gradient'"),
        ("--think-twice gradient -o reduse=sum", "the nearest known name is 'reduce'"),
        ("--think-twice gradient --merge mean", "'mean'"),
        ("--think-twice gradient --resize shorter", "found 'shorter', expected squash"),
        ("-o reduce=sum", "expected --think-twice METHOD"),
    ],
)
def test_bad_input_is_one_line(run, flags, told):
    answer = run(f"{CLASSIFY} {flags}")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("thinktwice: error: ")
    assert answer.err.count("\n") == 1
    assert told in answer.err
