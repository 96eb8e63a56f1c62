"""Mean images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thinktwice.caffe_models.mean import read_mean
from thinktwice.errors import BadInput

from .examples import blob, random, small_net

MEAN = random(3, 4, 5)


@pytest.mark.parametrize("legacy", [False, True])
def test_binaryproto(tmp_path: Path, legacy: bool):
    (tmp_path / "mean").write_bytes(blob(MEAN, legacy).SerializeToString())
    np.testing.assert_array_equal(read_mean(tmp_path / "mean"), MEAN)


@pytest.mark.parametrize("array", [MEAN, MEAN.astype("f8"), MEAN[None], np.asfortranarray(MEAN)])
def test_npy(tmp_path: Path, array: np.ndarray):
    np.save(tmp_path / "mean.npy", array)
    mean = read_mean(tmp_path / "mean.npy")
    assert mean.dtype == np.float32
    np.testing.assert_array_equal(mean, MEAN)


def test_one_number_per_channel(tmp_path: Path):
    np.save(tmp_path / "mean.npy", [104.0, 117.0, 123.0])
    assert read_mean(tmp_path / "mean.npy").shape == (3, 1, 1)


def test_refused(tmp_path: Path):
    path = tmp_path / "mean.npy"
    for array in (random(2, 3), random(2, 3, 4, 5), np.array(["a"]), np.full((3, 1, 1), np.nan)):
        np.save(path, array)
        with pytest.raises(BadInput, match="mean"):
            read_mean(path)
    path.write_bytes(small_net().SerializeToString())
    with pytest.raises(BadInput, match="expected a mean image"):
        read_mean(path)
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000, 1000), }".ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + header.encode())
    with pytest.raises(BadInput, match="damaged"):
        read_mean(path)
