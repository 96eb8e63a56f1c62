"""Element-wise layers: what they do at zero, at their ends, and far out."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.errors import BadInput
from thinktwice.layers.layer import Step

from . import bench


def values(type_name: str, options: str, x: list[float], parameters: list = []) -> list[float]:  # noqa: B006
    """The top for a bottom (1, n)."""
    return bench.forward(bench.make(type_name, options), [[x]], parameters)[0][0].tolist()


def slopes(type_name: str, options: str, x: list[float], parameters: list = []) -> list[float]:  # noqa: B006
    """dy/dx for a bottom (1, n)."""
    (result,) = bench.gradient(bench.make(type_name, options), [[x]], [np.ones((1, 1, len(x)))], parameters)
    return result[0, 0].tolist()


def test_at_zero_the_lower_branch_counts() -> None:
    assert slopes("PReLU", "", [-1, 0, 2], [[0.5, 0.25, 0.125]]) == [0.5, 0.25, 1]
    assert slopes("ELU", "elu_param { alpha: 0.5 }", [0, 3]) == [0.5, 1]
    assert slopes("AbsVal", "", [-2, 0, 3]) == [-1, 0, 1]


def test_prelu_has_a_slope_per_channel_or_one_for_all() -> None:
    assert values("PReLU", "", [-1, -1, 2], [[0.5, 0.25, 0.125]]) == [-0.5, -0.25, 2]
    assert values("PReLU", "prelu_param { channel_shared: true }", [-1, -2, 2], [0.5]) == [-0.5, -1, 2]
    (own,) = bench.make("PReLU").parameter_specs([(2, 3, 4)])
    (shared,) = bench.make("PReLU", "prelu_param { channel_shared: true }").parameter_specs([(2, 3, 4)])
    assert (own.shape, shared.shape) == ((3,), ())
    assert (own.filler.type, own.filler.value) == ("constant", 0.25)


def test_clip_passes_signals_at_both_ends() -> None:
    options = "clip_param { min: -1 max: 2 }"
    assert values("Clip", options, [-3, -1, 0.5, 2, 5]) == [-1, -1, 0.5, 2, 2]
    assert slopes("Clip", options, [-3, -1, 0.5, 2, 5]) == [0, 1, 1, 1, 0]


def test_threshold_is_strict_and_has_no_gradient() -> None:
    layer = bench.make("Threshold", "threshold_param { threshold: 0.5 }")
    assert bench.forward(layer, [[0.25, 0.5, 0.75]])[0].tolist() == [0, 0, 1]
    assert not layer.differentiable


def test_power_with_power_or_scale_zero_is_constant() -> None:
    assert values("Power", "power_param { power: 0 scale: 2 shift: 5 }", [-1, 0]) == [1, 1]
    assert values("Power", "power_param { power: 3 scale: 0 shift: 2 }", [-1, 0]) == [8, 8]
    assert slopes("Power", "power_param { power: 3 scale: 0 shift: 2 }", [-1, 0]) == [0, 0]


@pytest.mark.filterwarnings("error")
def test_power_divides_zero_by_zero_in_its_gradient_as_caffe_does() -> None:
    assert values("Power", "power_param { power: 3 }", [0, 2]) == [0, 8]
    at_zero, at_two = slopes("Power", "power_param { power: 3 }", [0, 2])
    assert np.isnan(at_zero) and at_two == 12
    assert slopes("Power", "power_param { power: 2 scale: 3 shift: 1 }", [0, 1]) == [6, 24]


def test_exp_and_log_read_base_minus_one_as_e() -> None:
    assert values("Exp", "", [0, 1]) == [1, np.e]
    assert values("Exp", "exp_param { base: 2 scale: 3 shift: 1 }", [1, 0]) == pytest.approx([16, 2])
    assert values("Log", "", [1, np.e]) == [0, 1]
    assert values("Log", "log_param { base: 10 scale: 2 shift: 1 }", [4.5, 0]) == pytest.approx([1, 0])


@pytest.mark.filterwarnings("error")
def test_log_of_zero_and_below_is_not_guarded() -> None:
    assert values("Log", "", [0])[0] == -np.inf
    assert np.isnan(values("Log", "", [-1])[0])


@pytest.mark.filterwarnings("error")
def test_far_out_nothing_overflows() -> None:
    far = np.array([[-1000, 1000]], np.float32)
    for type_name, expected, slope in [
        ("Sigmoid", [0, 1], [0, 0]),
        ("TanH", [-1, 1], [0, 0]),
        ("BNLL", [0, 1000], [0, 1]),
        ("ELU", [-1, 1000], [0, 1]),
        ("Swish", [0, 1000], [0, 1]),
    ]:
        layer = bench.make(type_name)
        assert bench.forward(layer, [far])[0].tolist() == [expected], type_name
        assert bench.gradient(layer, [far], [np.ones((1, 1, 2), np.float32)])[0].tolist() == [[slope]], type_name


@pytest.mark.parametrize(
    ("type_name", "reads"),
    [("Sigmoid", {"tops"}), ("TanH", {"tops"}), ("ELU", {"tops"}), ("Exp", {"tops"}), ("Swish", {"bottoms"}),
     ("Power", set()), ("PReLU", {"bottoms"}), ("Log", {"bottoms"})],
)  # fmt: skip
def test_a_gradient_reads_no_more_than_it_must(type_name: str, reads: set[str]) -> None:
    assert bench.make(type_name).gradient_reads == reads


def test_all_but_absval_may_write_over_their_bottom() -> None:
    in_place = ("PReLU", "ELU", "Sigmoid", "TanH", "Power", "Exp", "Log", "BNLL", "Threshold", "Swish", "Dropout")
    assert all(bench.make(type_name).in_place for type_name in in_place)
    assert not bench.make("AbsVal").in_place


def test_dropout_does_nothing_at_test_time() -> None:
    assert values("Dropout", "dropout_param { dropout_ratio: 0.9 }", [-1, 2]) == [-1, 2]


def dropped(ratio: float, seed: int = 0) -> np.ndarray:
    """What Dropout makes of a million ones while training."""
    drop = bench.make("Dropout", f"phase: TRAIN dropout_param {{ dropout_ratio: {ratio} }}")
    (y,), factor = drop.forward_at_random([np.ones(10**6, np.float32)], (), np.random.default_rng(seed))
    assert y is not factor and np.array_equal(y, factor)
    return y


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.5, 0.9])
def test_dropout_keeps_a_share_and_the_mean_in_training(ratio: float) -> None:
    """Every number is 0 or 1 / (1 - ratio), as often as its probability says: within 5 standard deviations."""
    y = dropped(ratio)
    kept = y[y != 0]
    np.testing.assert_allclose(kept, 1 / (1 - ratio), rtol=1e-6)
    assert abs(len(kept) / len(y) - (1 - ratio)) <= 5 * (ratio * (1 - ratio) / len(y)) ** 0.5


def test_dropout_hangs_on_its_seed_alone() -> None:
    assert np.array_equal(dropped(0.5, seed=1), dropped(0.5, seed=1))
    assert abs(np.corrcoef(dropped(0.5, seed=1), dropped(0.5, seed=2))[0, 1]) < 0.01


def test_dropout_gives_a_signal_to_what_it_kept() -> None:
    drop = bench.make("Dropout", "phase: TRAIN")
    x = np.arange(1.0, 7).reshape(2, 3)
    (y,), saved = drop.forward_at_random([x], (), np.random.default_rng(3))
    step = Step(drop, (), [None], [None], [x.shape], [x.shape], saved)
    (signal,) = drop.gradient(step, [np.ones((1, 2, 3))])
    assert np.array_equal(signal[0], y / x) and set(signal.ravel()) == {0, 2}


@pytest.mark.parametrize(
    ("type_name", "options", "message"),
    [
        (
            "Dropout",
            "dropout_param { dropout_ratio: 1 }",
            "dropout_param.dropout_ratio: found 1.0, expected a number from 0",
        ),
        ("Dropout", "dropout_param { dropout_ratio: -0.1 }", "dropout_param.dropout_ratio: found -0.1"),
        ("Exp", "exp_param { base: -2 }", "exp_param.base: found -2.0, expected a positive number, or -1 for e"),
        ("Exp", "exp_param { base: 0 }", "exp_param.base: found 0.0"),
        ("Log", "log_param { base: 1 }", "log_param.base: found 1.0, expected a positive number other than 1"),
        ("Log", "log_param { base: -3 }", "log_param.base: found -3.0"),
        ("Clip", "clip_param { min: 1 }", "clip_param.max: found nothing, expected a number"),
    ],
)
def test_options_that_mean_nothing_are_refused(type_name: str, options: str, message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        bench.make(type_name, options, source="net.prototxt")
    assert str(refusal.value).startswith(f"net.prototxt: layer 'l' ({type_name}): {message}")


def test_prelu_wants_channels() -> None:
    with pytest.raises(BadInput, match=r"bottom: found shape \(3,\), expected at least 2 axes"):
        bench.make("PReLU").top_shapes([(3,)])
