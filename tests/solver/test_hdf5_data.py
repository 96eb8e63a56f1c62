"""HDF5Data: rows of several files, in order or shuffled, as float32."""

from __future__ import annotations

from itertools import pairwise

import h5py
import numpy as np

from .making import layer, opened, write_hdf5, write_list

LIST = 'source: "list.txt" '
ROWS = [4, 1, 3]


def write(folder) -> tuple[np.ndarray, np.ndarray]:
    """Three files; what they hold in the list's order."""
    data = np.random.default_rng(0).standard_normal((sum(ROWS), 2, 3))
    label = np.arange(sum(ROWS), dtype=np.int16)
    starts = np.cumsum([0, *ROWS])
    for index, (start, end) in enumerate(pairwise(starts)):
        write_hdf5(folder / f"{index}.h5", data=data[start:end], label=label[start:end])
    (folder / "list.txt").write_text("0.h5\n1.h5\n\n2.h5\n")
    return data.astype(np.float32), label


def test_tops_are_the_data_sets_of_their_names(tmp_path):
    data, label = write(tmp_path)
    source = opened(layer("HDF5Data", LIST + "batch_size: 3", tops="label data"), tmp_path)
    assert source.shapes == [(3,), (3, 2, 3)]
    for index in (0, 2, 1, 5, 3, 4):  # batches that lie in one file, in two and in three, and that wrap around
        rows = np.arange(3 * index, 3 * index + 3) % sum(ROWS)
        labels, numbers = source.batch(index)
        assert labels.dtype == numbers.dtype == np.float32
        np.testing.assert_array_equal(labels, label[rows])
        np.testing.assert_array_equal(numbers, data[rows])


def test_shuffling_shuffles_files_and_the_rows_in_each(tmp_path):
    data, label = write(tmp_path)
    message = layer("HDF5Data", LIST + "batch_size: 2 shuffle: true")
    source = opened(message, tmp_path, seed=1)
    orders = np.reshape([source.batch(index)[1] for index in range(120)], (30, sum(ROWS))).astype(int)
    owner = np.repeat([0, 1, 2], ROWS)
    assert all(sorted(order) == label.tolist() for order in orders)
    runs = [owner[order][np.flatnonzero(np.diff(owner[order], prepend=-1))].tolist() for order in orders]
    assert all(sorted(run) == [0, 1, 2] for run in runs)  # a file is read to its end before the next
    assert len({tuple(run) for run in runs}) == 6
    first = {tuple(order[owner[order] == 0]) for order in orders}
    assert len(first) > 10  # of 24 orders of its four rows
    for index in (77, 3, 50):
        numbers, labels = opened(message, tmp_path, seed=1).batch(index)
        np.testing.assert_array_equal(labels, orders.ravel()[2 * index : 2 * index + 2])
        np.testing.assert_array_equal(numbers, data[labels.astype(int)])


def test_one_file_at_a_time_is_in_memory(tmp_path, monkeypatch):
    write(tmp_path)
    source = opened(layer("HDF5Data", LIST + "batch_size: 2"), tmp_path)
    read = []
    monkeypatch.setattr(h5py.Dataset, "astype", _noted(h5py.Dataset.astype, read))
    for index in range(8):
        source.batch(index)
    assert len(read) == 2 * 6  # two data sets of three files, in two epochs


def _noted(function, calls):
    def noted(*args):
        calls.append(args)
        return function(*args)

    return noted


def test_names_may_lie_in_groups(tmp_path):
    write_hdf5(tmp_path / "a.h5", **{"fc7/features": np.ones((2, 3))})
    (tmp_path / "list.txt").write_text(str(tmp_path / "a.h5"))
    source = opened(layer("HDF5Data", LIST + "batch_size: 1", tops="fc7/features"), tmp_path)
    np.testing.assert_array_equal(source.batch(0)[0], np.ones((1, 3)))


def test_pictures_and_rows_of_labels_stay_together_when_both_are_shuffled(tmp_path):
    """How multi-label training is written: ImageData for the pictures, HDF5Data for their rows of labels."""
    write_list(tmp_path, 6)
    write_hdf5(tmp_path / "labels.h5", rows=np.arange(6)[:, None] * [10, 1])
    (tmp_path / "labels.txt").write_text("labels.h5")
    pictures = layer("ImageData", 'source: "list.txt" batch_size: 4 shuffle: true', "mirror: true")
    labels = layer("HDF5Data", 'source: "labels.txt" batch_size: 4 shuffle: true', tops="rows")
    one, other = opened(pictures, tmp_path, seed=3), opened(labels, tmp_path, seed=3)
    for index in range(6):
        np.testing.assert_array_equal(one.batch(index)[1], other.batch(index)[0][:, 0])
