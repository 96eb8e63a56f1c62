"""Fillers: their distributions, fan-in and fan-out, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format

from thinktwice.caffe_models import schema
from thinktwice.errors import BadInput
from thinktwice.layers.fillers import fill


def filled(options: str, shape: tuple[int, ...], dtype: type = np.float64) -> np.ndarray:
    filler = text_format.Parse(options, schema.message("FillerParameter")())
    return fill(filler, shape, np.random.default_rng(0), dtype, "net.prototxt: layer 'conv1'")


def test_without_a_filler_or_by_default_all_is_zero() -> None:
    assert fill(None, (2, 3), np.random.default_rng(0)).tolist() == [[0] * 3] * 2
    assert filled("", (2,)).tolist() == [0, 0]


def test_constant_fills_any_shape_in_the_given_precision() -> None:
    assert filled("value: 0.5", ()).tolist() == 0.5
    assert filled("type: 'constant' value: 3", (1, 2), np.float32).dtype == np.float32


def test_one_seed_gives_one_start_in_both_precisions() -> None:
    wide, narrow = filled("type: 'xavier'", (4, 5)), filled("type: 'xavier'", (4, 5), np.float32)
    assert (wide.astype(np.float32) == narrow).all()


def test_uniform_and_gaussian_keep_their_moments() -> None:
    uniform = filled("type: 'uniform' min: -1 max: 3", (100, 1000))
    assert uniform.min() >= -1 and uniform.max() < 3 and uniform.mean() == pytest.approx(1, abs=0.02)
    gaussian = filled("type: 'gaussian' mean: 2 std: 0.5", (100, 1000))
    assert (gaussian.mean(), gaussian.std()) == pytest.approx((2, 0.5), abs=0.01)


def test_sparse_gaussian_keeps_a_share_of_sparse_over_outputs() -> None:
    numbers = filled("type: 'gaussian' sparse: 5", (50, 2000))
    assert (numbers != 0).mean() == pytest.approx(0.1, abs=0.005)
    assert not filled("type: 'gaussian' sparse: 0", (50, 20)).any()


def test_positive_unitball_sums_to_one_under_each_first_index() -> None:
    numbers = filled("type: 'positive_unitball'", (3, 4, 5))
    assert (numbers >= 0).all()
    np.testing.assert_allclose(numbers.sum((1, 2)), 1)


@pytest.mark.parametrize(
    ("norm", "n"),
    [("", 300), ("variance_norm: FAN_IN", 300), ("variance_norm: FAN_OUT", 500), ("variance_norm: AVERAGE", 400)],
)
def test_xavier_and_msra_divide_the_variance_by_the_fan(norm: str, n: int) -> None:
    shape = (50, 30, 2, 5)  # fan-in 30 * 10, fan-out 50 * 10
    xavier = filled(f"type: 'xavier' {norm}", shape)
    assert abs(xavier).max() == pytest.approx(np.sqrt(3 / n), rel=1e-3) and abs(xavier).max() <= np.sqrt(3 / n)
    assert filled(f"type: 'msra' {norm}", shape).std() == pytest.approx(np.sqrt(2 / n), rel=0.02)


def test_fan_out_of_a_vector_is_its_count() -> None:
    assert abs(filled("type: 'xavier' variance_norm: FAN_OUT", (30000,))).max() == pytest.approx(0.01, rel=1e-3)


def test_bilinear_is_a_tent() -> None:
    assert filled("type: 'bilinear'", (2, 1, 4, 4))[1, 0].tolist() == [
        [0.0625, 0.1875, 0.1875, 0.0625],
        [0.1875, 0.5625, 0.5625, 0.1875],
        [0.1875, 0.5625, 0.5625, 0.1875],
        [0.0625, 0.1875, 0.1875, 0.0625],
    ]
    assert filled("type: 'bilinear'", (1, 1, 3, 3))[0, 0, 1].tolist() == [0.5, 1, 0.5]


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ("type: 'xaviar'", (2, 3), "filler.type: found 'xaviar', expected one of constant, uniform, gaussian, "
         "positive_unitball, xavier, msra, bilinear; the nearest known name is 'xavier'"),
        ("type: 'xavier' sparse: 3", (2, 3), "filler.sparse: found 3 for xavier"),
        ("type: 'gaussian' sparse: 3", (2, 3), "filler.sparse: found 3 for shape (2, 3), expected at most the"),
        ("type: 'gaussian' std: 0", (2, 3), "filler.std: found 0.0, expected a positive number"),
        ("type: 'uniform' min: 2", (2, 3), "filler.min: found 2.0, expected at most max, 1.0"),
        ("type: 'bilinear'", (2, 3, 4, 5), "filler.type: found bilinear for shape (2, 3, 4, 5)"),
        ("type: 'msra'", (), "filler.type: found a filler that needs a fan-in for a scalar"),
    ],
)  # fmt: skip
def test_what_a_filler_cannot_do_is_refused(options: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        filled(options, shape)
    assert str(refusal.value).startswith(f"net.prototxt: layer 'conv1': {message}")
