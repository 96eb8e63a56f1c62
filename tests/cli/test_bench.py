"""What ``bench`` says of a small net; no test looks at how long anything took."""

from __future__ import annotations

import json

import pytest

from thinktwice.cli.commands import bench
from thinktwice.repro.benchmarks import kernels, peers, suite
from thinktwice.repro.benchmarks.clock import Pace, Sample

METHODS = "bench methods --prototxt net.prototxt --quiet"
ONE = f"{METHODS} --only forward,"


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """Short samples, and limits that need no measuring."""
    monkeypatch.setattr(bench, "Pace", lambda samples, seconds: Pace(samples, seconds=0, sample=0, pause=0))
    monkeypatch.setattr(suite, "arithmetic", lambda device, threads: Sample(1e-9, 0.0))
    monkeypatch.setattr(suite, "LARGE", 1 << 20)
    monkeypatch.setattr(kernels, "SHAPE", (2, 3, 9, 11))


def test_a_report_says_machine_versions_precision_and_every_sample(run):
    told = run(f"{ONE} --json --samples 2 --seed 3")
    assert told.status == 0
    report = told.json
    assert report["precision"] == "float32"
    assert report["device"] == "cpu"
    assert {"processor", "cores", "load"} <= set(report["machine"])
    assert {"thinktwice", "python", "numpy", "blas"} <= set(report["versions"])
    assert report["limits"]["operations_per_second"] == pytest.approx(1e9)
    rows = report["tables"]["methods"]
    assert [(row["method"], row["images"]) for row in rows] == [("forward", 1), ("forward", 8)]
    assert all(row["agrees"] and len(row["times"]["thinktwice"]["samples"]) >= 2 for row in rows)


def test_every_question_is_asked_of_a_net(run):
    told = run(f"{METHODS} --json --samples 1 --weights net.caffemodel")
    assert told.status == 0
    rows = told.json["tables"]["methods"]
    assert [row["name"] for row in rows] == [
        "net forward, batch 1",
        "net forward, batch 8",
        "net forward + gradient, batch 1",
        "net forward + gradient, batch 8",
        "net mwp, batch 1",
        "net mwp, batch 1, 8 targets",
        "net mwp, batch 8",
        "net feedback x 10, batch 1",
    ]
    assert list(rows[4]["yardsticks"]) == ["our forward"]
    assert list(rows[5]["yardsticks"]) == ["one target"]
    assert rows[5]["targets"] == 5  # as many classes as there are
    assert list(rows[7]["yardsticks"]) == ["10 x (forward + gradient)"]
    assert set(rows[6]["peak_memory"]) == {"thinktwice"}


def test_tables_have_a_row_for_each_kernel(run):
    told = run("bench kernels --samples 1 --quiet")
    if "no build" in told.err:
        pytest.skip(told.err)
    assert told.status == 0
    assert all(make.__name__ in told.out for make in kernels.KERNELS)
    assert "of a copy, %" in told.out
    assert "limits" in told.out


def test_layers_are_those_of_the_net(run):
    rows = run("bench layers --prototxt net.prototxt --samples 1 --quiet --json --only conv1").json["tables"]["layers"]
    assert [(row["layer"], row["type"], row["direction"]) for row in rows] == [
        ("conv1", "Convolution", "forward"),
        ("conv1", "Convolution", "gradient"),
    ]
    assert all(row["operations"] == 2 * 8 * 4 * 3 * 9 * 16 * 18 for row in rows)


def test_a_page_is_made_of_a_report_that_was_written(run, folder):
    assert run(f"{ONE} --samples 1 --out report.json --page page.md").status == 0
    page = (folder / "page.md").read_text()
    assert all(word in page for word in ("# Benchmarks", "processor", "float32", "## Methods", "net forward, batch 8"))
    again = run("bench --from report.json --page again.md --json")
    assert again.status == 0
    assert (folder / "again.md").read_text() == page
    assert again.json == json.loads((folder / "report.json").read_text())


def test_results_that_differ_are_status_1(run, monkeypatch):
    monkeypatch.setattr(kernels, "BOUND", -1)
    told = run("bench kernels --only prune --samples 1 --quiet")
    if "no build" in told.err:
        pytest.skip(told.err)
    assert told.status == 1
    assert "differs from NumPy" in told.out


def test_threads_are_those_asked_for(run):
    pytest.importorskip("threadpoolctl", reason="the extra `train`")
    assert run(f"{ONE} --samples 1 --threads 1 --json").json["threads"] == 1


BAD = {
    "nothing to do": ("bench", "neither"),
    "two things to do": ("bench methods --from report.json", "both"),
    "unknown table": ("bench method", "nearest known name is 'methods'"),
    "unknown peer": (f"{ONE} --against tensorflow", "'tensorflow'"),
    "no such row": (f"{METHODS} --only nonsense", "'nonsense'"),
    "weights of nothing": ("bench methods --weights net.caffemodel", "--prototxt"),
    "missing definition": ("bench methods --prototxt nowhere.prototxt --quiet", "nowhere.prototxt: No such file"),
    "no report": ("bench --from nowhere.json", "nowhere.json: found no report"),
    "a report of something else": ("bench --from other.json", "other.json: found no report"),
    "page of another kind": (f"{ONE} --page page.html", ".md"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(run, folder, case):
    (folder / "other.json").write_text("{}")
    line, expected = BAD[case]
    told = run(line)
    assert told.status == 2
    assert told.err.count("\n") == 1
    assert expected in told.err


@pytest.mark.parametrize(
    ("absent", "expected"), [("torch", "pip install torch"), ("torch_peer", "expected a checkout of the repository")]
)
def test_a_peer_that_is_not_to_be_had_is_one_line(run, monkeypatch, absent, expected):
    def import_module(name: str):
        if name.endswith(absent):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(peers, "import_module", import_module)
    told = run(f"{ONE} --against torch")
    assert told.status == 2
    assert told.err.count("\n") == 1
    assert expected in told.err
