"""DummyData: shapes and fillers, one for all tops or one for each."""

from __future__ import annotations

import numpy as np
import pytest

from .making import layer, opened


@pytest.mark.parametrize(
    ("settings", "shapes"),
    [
        ("shape { dim: 2 dim: 3 }", [(2, 3), (2, 3)]),
        ("shape { dim: 2 dim: 3 } shape { dim: 4 }", [(2, 3), (4,)]),
        ("num: 2 channels: 3 height: 4 width: 5", [(2, 3, 4, 5)] * 2),
        ("num: 2 channels: 3 height: 4 height: 6 width: 5", [(2, 3, 4, 5), (2, 3, 6, 5)]),
    ],
)
def test_shapes(settings, shapes, tmp_path):
    source = opened(layer("DummyData", settings), tmp_path)
    assert source.shapes == shapes
    tops = source.batch(0)
    assert [top.shape for top in tops] == shapes
    assert all(top.dtype == np.float32 and not top.any() for top in tops)


def test_fillers_fill_every_batch_anew(tmp_path):
    fillers = 'data_filler { type: "gaussian" std: 2 } data_filler { value: 3 }'
    message = layer("DummyData", f"shape {{ dim: 2000 }} {fillers}")
    source = opened(message, tmp_path)
    first, again, second = (source.batch(index) for index in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], second[0])
    assert first[0].std() == pytest.approx(2, rel=0.1)
    np.testing.assert_array_equal(first[1], np.full(2000, 3))
    assert not np.array_equal(first[0], opened(message, tmp_path, seed=1).batch(0)[0])


def test_one_filler_for_all_gives_each_top_its_own_numbers(tmp_path):
    one, other = opened(layer("DummyData", 'shape { dim: 9 } data_filler { type: "uniform" }'), tmp_path).batch(0)
    assert not np.array_equal(one, other)
