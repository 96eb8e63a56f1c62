"""From their second time on passes are done from a record, and not a bit of what they give differs."""

from __future__ import annotations

import gc
import mmap
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.cpu.engine import engine
from thinktwice.cpu.recording import ADDRESSES
from thinktwice.cuda.launcher import host_build
from thinktwice.executor import routine
from thinktwice.executor.forward import Keep, run_forward
from thinktwice.executor.net import Net
from thinktwice.executor.routine import KEPT, Routines
from thinktwice.executor.rules import Rule, reads
from thinktwice.layers.arrays import where_positive

from ..nets import data, layer, make, relu

pytestmark = pytest.mark.skipif(
    engine() is None or host_build() is None, reason="the engine or the kernels are not built, or turned off"
)

RULES = ["gradient", "guided", "deconvnet", "excitation"]
SHAPE = (2, 5, 12, 11)


def inception(dtype: str = "float32", end: str = "") -> Net:
    """All that is compiled: convolutions of every kind, groups, LRN, both poolings, concat, dropout, fully connected layers."""
    filters = {
        "stem": (24, 5, 3, "kernel_size: 3 pad: 1"),
        "a": (6, 24, 1, "kernel_size: 1"),
        "b": (4, 24, 1, "kernel_size: 1"),
        "c": (8, 4, 5, "kernel_size: 5 pad: 2"),
        "d": (24, 24, 3, "kernel_size: 3 pad: 1"),
        "e": (6, 24, 1, "kernel_size: 1"),
        "down": (10, 20, 3, "kernel_size: 3 stride: 2 group: 2"),
    }

    def conv(name: str, bottom: str) -> str:
        options = f"convolution_param {{ num_output: {filters[name][0]} {filters[name][3]} }}"
        return layer(name, "Convolution", bottom, options) + relu(name)

    text = data(*SHAPE) + conv("stem", "data") + layer("norm", "LRN", "stem", "lrn_param { local_size: 5 alpha: 0.1 }")
    text += conv("d", "norm") + conv("a", "d") + conv("b", "d") + conv("c", "b")
    text += layer("pool", "Pooling", "d", "pooling_param { kernel_size: 3 stride: 1 pad: 1 }") + conv("e", "pool")
    text += layer("all", "Concat", "a c e") + conv("down", "all")
    text += layer("mean", "Pooling", "down", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }")
    text += layer("drop", "Dropout", "mean", top="mean")
    text += layer("fc", "InnerProduct", "mean", "inner_product_param { num_output: 7 }")
    text += layer("end", end, "fc") if end else ""
    rng = np.random.default_rng(0)
    weights = {
        name: (rng.normal(size=(out, own // (2 if "group" in more else 1), k, k)), rng.normal(size=out))
        for name, (out, own, k, more) in filters.items()
    }
    weights["fc"] = (rng.normal(size=(7, 40)), rng.normal(size=7))
    return make(text, weights, dtype)


def image(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@contextmanager
def as_written() -> Iterator[None]:
    """Without records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Routines, "of", lambda *_: None)
        yield


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each attempt to make a record, whether there is one."""
    made: list[bool] = []
    record = routine._recorded

    def watched(*arguments: Any) -> Any:
        made.append((found := record(*arguments)) is not None)
        return found

    monkeypatch.setattr(routine, "_recorded", watched)
    return made


@pytest.mark.parametrize("to", ["data", "norm"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("targets", [1, 3])
def test_no_bit_differs(rule: str, targets: int, to: str, records: list[bool]) -> None:
    net = inception()
    for seed in range(4):
        x, signal = image(seed), image(seed, (targets, 2, 7))
        found = net.forward(data=x, blobs=["fc"], rule=rule, to=[to])
        below = net.backward(found, {"fc": signal}, rule, to=[to])
        with as_written():
            expected = net.forward(data=x, blobs=["fc"], rule=rule, to=[to])
            expected_below = net.backward(expected, {"fc": signal}, rule, to=[to])
        assert found.blobs == expected.blobs
        for blob in expected.blobs:
            np.testing.assert_array_equal(found[blob], expected[blob], strict=True)
        np.testing.assert_array_equal(below[to], expected_below[to], strict=True)
    assert records == [True, True]


def test_results_belong_to_their_call(records: list[bool]) -> None:
    """A later pass writes to nothing that an earlier one gave."""
    net = inception()
    passes = [net.forward(data=image(seed), blobs=["fc", "all"]) for seed in range(5)]
    kept = [{blob: trace[blob].copy() for blob in ("fc", "all")} for trace in passes]
    net.forward(data=image(9), blobs=["fc", "all"])
    for trace, copies in zip(passes, kept, strict=True):
        for blob, copy in copies.items():
            np.testing.assert_array_equal(trace[blob], copy)
    assert records == [True]


def test_each_form_has_a_record_of_its_own(records: list[bool]) -> None:
    """Other shapes, other blobs to keep: none is taken for another. An image that lies otherwise is copied, and like the first."""
    net = inception()
    turned = image(3).transpose(0, 1, 3, 2).copy().transpose(0, 1, 3, 2)
    for x in (image(0), image(1, (3, *SHAPE[1:])), turned):
        for blobs in (["fc"], ["down", "fc"]):
            for _ in range(3):
                found = net.forward(data=x, blobs=blobs)
                with as_written():
                    expected = net.forward(data=x, blobs=blobs)
                for blob in blobs:
                    np.testing.assert_array_equal(found[blob], expected[blob], strict=True)
    assert records == [True] * 4


def test_a_trace_whose_arrays_lie_otherwise_is_no_input_of_the_record(records: list[bool]) -> None:
    net, signal = inception(), image(1, (1, 2, 7))
    for number in range(5):
        trace = net.forward(data=image(0), blobs=["fc"], rule="excitation", to=["data"])
        if number > 2:  # as a method may that puts arrays of its own in place of a pass's
            value = net.graph.final("d")
            trace.values[value] = np.asfortranarray(trace.values[value])
        below = net.backward(trace, {"fc": signal}, "excitation", to=["data"])["data"]
        with as_written():
            np.testing.assert_array_equal(below, net.backward(trace, {"fc": signal}, "excitation", to=["data"])["data"])
    assert records == [True, True]


def test_a_given_blob_is_as_good_as_an_input(records: list[bool]) -> None:
    net = inception()
    for seed in range(3):
        norm = image(seed, (2, 24, 12, 11))
        trace = net.forward(norm=norm, blobs=["fc", "norm"])
        assert trace["norm"] is norm
        with as_written():
            np.testing.assert_array_equal(trace["fc"], net.forward(norm=norm, blobs=["fc"])["fc"])
    assert records == [True]


def test_what_numpy_does_has_no_record_and_is_done(records: list[bool]) -> None:
    net = inception(end="TanH")
    for seed in range(4):
        found = net.forward(data=image(seed), blobs=["end"])["end"]
        assert 0 < abs(found).max() <= 1
        with as_written():
            np.testing.assert_array_equal(found, net.forward(data=image(seed), blobs=["end"])["end"])
    assert records == [False]


def test_all_blobs_of_a_deployed_net_are_one_record(records: list[bool]) -> None:
    net = inception(end="Softmax")
    for seed in range(4):
        found = net.forward(data=image(seed))
        np.testing.assert_allclose(found["end"].sum(1), 1, rtol=1e-6)
        with as_written():
            written = net.forward(data=image(seed))
        for blob in net.blobs:
            np.testing.assert_array_equal(found[blob], written[blob])
    assert records == [True]


def test_double_precision_has_no_record(records: list[bool]) -> None:
    net = inception("float64")
    first, *others = (net.forward(data=image(0), blobs=["fc"])["fc"] for _ in range(3))
    assert all(np.array_equal(first, other) for other in others)
    assert records == [False]


def test_errors_are_those_of_the_work(records: list[bool]) -> None:
    net = inception()
    trace = net.forward(data=image(0), blobs=["fc"])
    for _ in range(3):
        with pytest.raises(tt.BadInput, match="freed"):
            net.backward(trace, {"fc": image(0, (2, 7))}, to=["data"])
    assert records == [False]


def test_weights_that_can_change_are_read_anew() -> None:
    """A solver's are written to from step to step."""
    net = inception()
    weights = {name: tuple(array.copy() for array in arrays) for name, arrays in net.params.items()}
    given = {net.graph.given("data"): image(0)}
    wanted, scores = [net.graph.final("fc")], []
    for _ in range(4):
        trace = run_forward(net.graph, weights, given, wanted, Keep(set(wanted)))
        assert trace.form is None
        scores.append(trace["fc"])
        weights["fc"][1][...] += 1
    for before, after in pairwise(scores):
        np.testing.assert_allclose(after - before, 1, rtol=1e-3)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells how much address space is taken")
def test_blanks_give_their_address_space_back(records: list[bool]) -> None:
    def taken() -> int:
        return int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE

    net, before = inception(), taken()
    for _ in range(3):
        trace = net.forward(data=image(0), blobs=["fc"], rule="gradient", to=["data"])
        net.backward(trace, {"fc": image(0, (2, 7))}, to=["data"])
    gc.collect()
    assert records == [True, True]
    assert taken() - before < ADDRESSES // 2


def test_other_weights_are_other_work() -> None:
    """Also where only one array of a mapping is another, or that of a net that is gone lay at its place."""
    net = inception()
    given, wanted = {net.graph.given("data"): image(0)}, [net.graph.final("fc")]
    weights = dict(net.params)
    for bias in (*range(6), 5, 5, 5):
        one = np.full(7, bias, np.float32)
        one.setflags(write=False)
        weights["fc"] = (net.params["fc"][0], one)
        found = run_forward(net.graph, weights, given, wanted, Keep(set(wanted)))["fc"]
        with as_written():
            expected = run_forward(net.graph, weights, given, wanted, Keep(set(wanted)))["fc"]
        np.testing.assert_array_equal(found, expected)


def test_weights_of_nets_that_are_gone_are_gone() -> None:
    """A graph may outlive them."""
    net, left = inception(), []
    for _ in range(5):
        other = Net(net.graph, {name: [array.copy() for array in own] for name, own in net.params.items()}, net.message)
        other.forward(data=image(0), blobs=["fc"])
        left.append(weakref.ref(other.params["stem"][0]))
        del other
    gc.collect()
    assert [weights() for weights in left] == [None] * 5


def test_only_rules_that_say_so_are_put_on_record(records: list[bool]) -> None:
    """Those of a user's own may do what they like: here, look at numbers, and remember them."""
    seen = []

    @reads("tops")
    def watching(step: Any, signals: Any) -> list[np.ndarray]:
        seen.append(float(np.asarray(signals[0]).sum()))
        return [where_positive(signals[0], step.tops[0], 0.5 if seen[-1] > 0 else 0)]

    net, rule = inception(), Rule("mine", {"ReLU": watching})
    for seed in range(5):
        trace = net.forward(data=image(seed), blobs=["fc"], rule=rule, to=["data"])
        net.backward(trace, {"fc": image(seed, (1, 2, 7))}, rule, to=["data"])
        assert len(seen) == 7 * (seed + 1)
    assert len(set(seen)) == len(seen)
    assert records == [True]


def test_weights_made_on_the_way_stay_as_long_as_the_record() -> None:
    @reads(recordable=True)
    def by_a_view(step: Any, signals: Any) -> list[np.ndarray]:
        return [step.layer.transposed(signals[0], step.parameters[0][:], step.bottom_shapes[0])]

    net, rule = inception(), Rule("views", layers={"e": by_a_view, "c": by_a_view})
    for seed in range(5):
        trace = net.forward(data=image(seed), blobs=["fc"], rule=rule, to=["data"])
        signal = {"fc": image(seed, (1, 2, 7))}
        found = net.backward(trace, signal, rule, to=["data"])["data"]
        gc.collect()
        _ = [np.full(size, np.nan, np.float32) for size in range(100, 2000, 4)]
        with as_written():
            np.testing.assert_array_equal(found, net.backward(trace, signal, rule, to=["data"])["data"])


def test_threads_that_ask_for_many_forms() -> None:
    net, failed = inception(), []

    def run(start: int) -> None:
        try:
            for number in range(KEPT + 20):
                shape = (1, 24, 12, 11 + (number + start) % (KEPT + 20))
                net.graph.routines.of("x", net.params, {0: np.empty(shape, np.float32)})
        except Exception as error:
            failed.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=run, args=(7 * start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)
    assert failed == []


def test_threads_may_share_a_net() -> None:
    net, images = inception(), [image(seed) for seed in range(24)]
    with as_written():
        expected = [net.forward(data=x, blobs=["fc"])["fc"] for x in images]
    found: dict[int, np.ndarray] = {}

    def run(numbers: range) -> None:
        for number in numbers:
            found[number] = net.forward(data=images[number], blobs=["fc"])["fc"]

    threads = [threading.Thread(target=run, args=(range(start, 24, 4),)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, result in enumerate(expected):
        np.testing.assert_array_equal(found[number], result)


def test_only_the_latest_forms_are_kept() -> None:
    net = inception()
    for number in range(KEPT + 5):
        net.forward(
            data=image(0, (1, 5, 12, 11 + number % 40)), norm=image(0, (1 + number // 40, 24, 12, 11)), blobs=["norm"]
        )
    assert len(net.graph.routines._known) <= KEPT


def test_a_form_in_use_is_not_forgotten() -> None:
    routines, params = Routines(), inception().params
    used = routines.of("used", params, {})
    for number in range(3 * KEPT):
        routines.of(number, params, {})
        assert routines.of("used", params, {}) is used


@pytest.mark.parametrize("method", ["feedback", "fsp", "fr", "feedback-hard"])
@pytest.mark.parametrize("targets", [[3], [3, 1, 4]])
def test_gates_of_many_targets(method: str, targets: list[int]) -> None:
    """Loops over gates, where targets share a first pass and images lie between others."""
    net = inception()
    for seed in range(3):
        found = tt.attend(net, image(seed), targets, method)
        with as_written():
            expected = tt.attend(net, image(seed), targets, method)
        np.testing.assert_array_equal(found.map, expected.map, strict=True)
        assert np.isfinite(found.map).all()


def test_what_a_pass_was_given_and_gave_goes_without_the_garbage_collector() -> None:
    """A cycle of references would keep a pass's arrays until the collector comes: gigabytes, for large nets."""
    net = inception()
    blob, x = net.outputs[0], np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    gc.collect()
    gc.disable()
    try:
        for _ in range(4):  # as written, put on record, from the record
            trace = net.forward(data=x)
            walk = net.backward(trace, {blob: np.ones_like(trace[blob])}, to=["data"])
            kept = [weakref.ref(array) for array in (*trace.values.values(), walk["data"]) if array is not x]
            del trace, walk
            assert not any(one() is not None for one in kept)
    finally:
        gc.enable()
