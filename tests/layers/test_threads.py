"""Sharing out images changes how long it takes, and nothing else."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest

from thinktwice.layers import threads

from . import bench

pytest.importorskip("threadpoolctl", reason="the extra `train` is not installed")


@pytest.mark.parametrize(
    ("type_name", "options"),
    [
        ("Convolution", "convolution_param { num_output: 6 kernel_size: 3 pad: 1 group: 2 }"),
        ("Deconvolution", "convolution_param { num_output: 6 kernel_size: 3 stride: 2 }"),
        ("LRN", "lrn_param { local_size: 3 alpha: 2 }"),
        ("LRN", "lrn_param { local_size: 3 alpha: 2 norm_region: WITHIN_CHANNEL }"),
    ],
)
def test_results_are_the_same_bit_by_bit(type_name: str, options: str) -> None:
    rng = np.random.default_rng(0)
    layer = bench.make(type_name, options)
    x = rng.normal(size=(70, 4, 40, 41)).astype(np.float32)  # several chunks of whatever size
    parameters = [rng.normal(size=spec.shape).astype(np.float32) for spec in layer.parameter_specs([x.shape])]
    signal = rng.normal(size=(1, *layer.top_shapes([x.shape])[0])).astype(np.float32)

    def results() -> list[np.ndarray]:
        return [
            *bench.forward(layer, [x], parameters),
            *bench.gradient(layer, [x], [signal], parameters),
            *bench.parameter_gradient(layer, [x], [signal], parameters),
        ]

    alone = results()
    with threads.shared_out():
        assert all(np.array_equal(a, b) for a, b in zip(alone, results(), strict=True))


def test_parts_run_elsewhere_and_come_back_in_order() -> None:
    here = threading.get_ident()
    assert list(threads.each(lambda part: threading.get_ident(), range(3))) == [here] * 3
    with threads.shared_out():
        found = list(threads.each(lambda part: (part, threading.get_ident()), range(20)))
        with threads.shared_out():
            pass
        assert here not in threads.each(lambda part: threading.get_ident(), range(3))
    assert [part for part, _ in found] == list(range(20))
    assert here not in {thread for _, thread in found}
    assert list(threads.each(lambda part: threading.get_ident(), range(3))) == [here] * 3


def test_a_part_that_fails_is_told_and_the_pool_goes_back() -> None:
    def fail(part: int) -> None:
        raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part 0"), threads.shared_out():
        threads.run(fail, range(2))
    assert list(threads.each(lambda part: part, [1])) == [1]


def test_parts_heed_the_callers_errstate() -> None:
    with threads.shared_out(), np.errstate(divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(threads.each(lambda part: np.divide(1.0, np.float64(part)), [0.0])) == [np.inf]


def test_one_thread_where_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads.cores() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "100000")
    assert 1 <= threads.cores() < 100000
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads.cores() >= 1
