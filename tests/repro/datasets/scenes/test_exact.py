"""The arithmetic of scenes: near to the functions that it stands for, and made of what IEEE 754 fixes alone."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest

from thinktwice.repro.datasets import scenes
from thinktwice.repro.datasets.scenes.exact import Chance, direction, sine
from thinktwice.repro.datasets.scenes.noise import FLAT, fractal, fractal_grid, noise, noise_grid, noise_rows

FIXED = {  # of NumPy: exact, or correctly rounded, and free of any order of summation
    "abs", "any", "arange", "array", "ascontiguousarray", "asarray", "bool", "broadcast_arrays", "broadcast_to", "concatenate",
    "count_nonzero", "flatnonzero", "float64", "floor", "full", "int64", "maximum", "minimum", "ndarray", "random", "repeat",
    "sqrt", "take", "uint64", "uint8", "where", "zeros",
}  # fmt: skip
METHODS = {"sum", "mean", "dot", "std", "var", "cumsum", "prod"}  # of arrays: their order of summation may vary
FILES = sorted(Path(scenes.__file__).parent.glob("*.py"))
PIXELS = [path for path in FILES if path.stem not in ("__init__", "__main__", "layouts", "writing")]


@pytest.mark.parametrize("path", PIXELS, ids=lambda path: path.stem)
def test_only_arithmetic_that_is_fixed_everywhere(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    numpy = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "np"}
    assert numpy <= FIXED
    assert not METHODS & {node.attr for node in attributes}
    assert not any(isinstance(node, ast.MatMult) for node in ast.walk(tree))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported <= {"numpy"}
    powers = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)]
    assert all(ast.unparse(power) == "2.0 ** (-53)" for power in powers)


def test_chance_is_pcg64s_top_bits() -> None:
    bits = np.random.PCG64([3, 1, 4])
    expected = [(bits.random_raw() >> 11) / 2**53 for _ in range(6)]
    c = Chance(3, 1, 4)
    assert [c.unit(), c.unit(), *c.units(2, 2).ravel().tolist()] == expected
    assert expected == np.random.Generator(np.random.PCG64([3, 1, 4])).random(6).tolist()


def test_choices_are_even() -> None:
    c = Chance(0)
    counts = np.bincount([c.whole(2, 5) for _ in range(4000)])
    assert counts[:2].tolist() == [0, 0] and (abs(counts[2:] - 1000) < 120).all()
    assert sorted(c.shuffled("abcd")) == list("abcd")
    assert {tuple(c.shuffled("abc")) for _ in range(100)} == {
        tuple(order) for order in ("abc", "acb", "bac", "bca", "cab", "cba")
    }


def test_sine_is_near_the_sine() -> None:
    degrees = np.linspace(-1000, 1000, 4001)
    np.testing.assert_allclose(sine(degrees), np.sin(np.radians(degrees)), atol=0.0011)
    for angle in (-400.0, -90.0, 0.0, 33.0, 181.0):
        x, y = direction(angle)
        assert math.hypot(x, y) == pytest.approx(1, abs=1e-15)
        assert (x, y) == pytest.approx((math.cos(math.radians(angle)), math.sin(math.radians(angle))), abs=0.002)


def test_noise_goes_smoothly_through_its_lattice() -> None:
    at = np.array([0.0, 7.0, 255.0, 256.0, 300.0])
    assert noise(at, at + 2).tolist() == [
        FLAT[int(y % 256) * 257 + int(x % 256)] for x, y in zip(at, at + 2, strict=True)
    ]
    fine = np.linspace(3, 6, 301)
    assert abs(np.diff(noise(fine, np.full(301, 1.5)))).max() < 0.04


def test_the_fast_forms_of_noise_are_noise() -> None:
    x, y = np.linspace(-3, 270, 31), np.linspace(-9, 40, 17)
    full = np.meshgrid(x, y)
    np.testing.assert_allclose(noise_grid(x, y), noise(*full), atol=1e-12)
    np.testing.assert_allclose(noise_rows(full[0], y), noise(*full), atol=1e-12)
    np.testing.assert_allclose(fractal_grid(x, y, 3), fractal(*full, 3), atol=1e-12)
