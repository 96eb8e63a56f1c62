"""Every learning rate policy, by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from thinktwice.solver.rates import POLICIES, current_step, learning_rate

from .nets import param

CASES = {  # settings, iteration -> rate
    "fixed": ("", {0: 0.5, 7: 0.5}),
    "step": ("gamma: 0.5 stepsize: 3", {0: 0.5, 2: 0.5, 3: 0.25, 5: 0.25, 6: 0.125, 9: 0.0625}),
    "exp": ("gamma: 0.5", {0: 0.5, 1: 0.25, 3: 0.0625}),
    "inv": ("gamma: 1 power: 2", {0: 0.5, 1: 0.125, 3: 0.03125}),
    "multistep": ("gamma: 0.5 stepvalue: 2 stepvalue: 5", {0: 0.5, 1: 0.5, 2: 0.25, 4: 0.25, 5: 0.125, 99: 0.125}),
    "poly": ("power: 2", {0: 0.5, 2: 0.28125, 4: 0.125, 8: 0}),
    "sigmoid": ("gamma: 2 stepsize: 3", {3: 0.25, 4: 0.5 / (1 + math.exp(-2)), 0: 0.5 / (1 + math.exp(6))}),
}


@pytest.mark.parametrize("policy", CASES)
def test_rates(policy: str, tmp_path: Path) -> None:
    settings, rates = CASES[policy]
    checked = param(f'base_lr: 0.5 lr_policy: "{policy}" max_iter: 8 {settings}', tmp_path)
    for iteration, rate in rates.items():
        assert learning_rate(checked, iteration) == pytest.approx(rate, rel=1e-12), iteration


@pytest.mark.parametrize(
    ("settings", "iteration", "rate"),
    [
        ('lr_policy: "sigmoid" gamma: 1 stepsize: 10000', 0, 0),
        ('lr_policy: "exp" gamma: 2', 5000, math.inf),
        ('lr_policy: "poly" power: -1', 8, math.inf),
    ],
)
def test_numbers_beyond_all_bounds_are_what_c_makes_of_them(settings, iteration, rate, tmp_path: Path) -> None:
    assert learning_rate(param(settings, tmp_path), iteration) == rate


def test_all_policies_are_here() -> None:
    assert CASES.keys() == POLICIES.keys()


def test_steps_are_counted_as_caffe_counts_them(tmp_path: Path) -> None:
    """One stepvalue per iteration at most: of two equal ones the second counts one later, and order is not looked at."""
    stepwise = param('lr_policy: "step" stepsize: 4 gamma: 0.1', tmp_path)
    assert [current_step(stepwise, i) for i in (0, 3, 4, 11, 12)] == [0, 0, 1, 2, 3]
    twice = param('lr_policy: "multistep" stepvalue: 3 stepvalue: 3 stepvalue: 9 gamma: 0.1', tmp_path)
    assert [current_step(twice, i) for i in (2, 3, 4, 8, 9)] == [0, 1, 2, 2, 3]
    unsorted = param('lr_policy: "multistep" stepvalue: 6 stepvalue: 2 gamma: 0.1', tmp_path)
    assert [current_step(unsorted, i) for i in (2, 5, 6, 7)] == [0, 0, 1, 2]
    assert current_step(param("", tmp_path), 5) == 0
