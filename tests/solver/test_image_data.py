"""ImageData: which pictures a batch holds, in which order, and that nothing else matters."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from thinktwice.errors import BadInput
from thinktwice.solver.resizing import resized

from .making import blob, layer, opened, picture, write_list, write_pictures

LIST = 'source: "list.txt" '


def labels(source, batches) -> list[int]:
    """Places in the list, as ``write_list`` labels them."""
    return [int(label) // 10 for index in batches for label in source.batch(index)[1]]


def test_pictures_are_bgr_float32_in_the_lists_order(tmp_path):
    pictures = write_list(tmp_path, 5)
    source = opened(layer("ImageData", LIST + "batch_size: 2"), tmp_path)
    assert source.shapes == [(2, 3, 4, 5), (2,)]
    images, numbers = source.batch(1)
    assert images.dtype == numbers.dtype == np.float32
    np.testing.assert_array_equal(images, [blob(pictures[2]), blob(pictures[3])])
    np.testing.assert_array_equal(numbers, [20, 30])


def test_batches_wrap_around_like_caffes_cursor(tmp_path):
    write_list(tmp_path, 5)
    source = opened(layer("ImageData", LIST + "batch_size: 3"), tmp_path)
    assert labels(source, range(5)) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
    whole = opened(layer("ImageData", LIST + "batch_size: 12"), tmp_path)
    assert labels(whole, [0]) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


def test_shuffling_draws_a_new_order_for_every_epoch(tmp_path):
    write_list(tmp_path, 7, 2, 2)
    message = layer("ImageData", LIST + "batch_size: 3 shuffle: true")
    source = opened(message, tmp_path, seed=5)
    drawn = np.reshape(labels(source, range(7)), (3, 7))  # three epochs across seven batches
    assert [sorted(epoch) for epoch in drawn] == [list(range(7))] * 3
    assert len({tuple(epoch) for epoch in drawn} | {tuple(range(7))}) == 4
    np.testing.assert_array_equal(drawn.ravel(), labels(opened(message, tmp_path, "TEST", seed=5), range(7)))
    assert labels(opened(message, tmp_path, seed=6), range(7)) != list(drawn.ravel())


def test_a_batch_is_the_same_whatever_was_asked_before(tmp_path):
    write_list(tmp_path, 7, 6, 6)
    message = layer("ImageData", LIST + "batch_size: 3 shuffle: true rand_skip: 4", "mirror: true crop_size: 4")
    source = opened(message, tmp_path)
    in_order = [source.batch(index) for index in range(10)]
    for index in (9, 0, 4, 4, 7):
        for other in (source, opened(message, tmp_path)):
            for expected, found in zip(in_order[index], other.batch(index), strict=True):
                np.testing.assert_array_equal(found, expected)


def test_every_appearance_of_a_picture_draws_anew(tmp_path):
    write_list(tmp_path, 1, 8, 8)
    source = opened(layer("ImageData", LIST + "batch_size: 4", "crop_size: 3 mirror: true"), tmp_path)
    assert len({image.tobytes() for index in range(5) for image in source.batch(index)[0]}) > 15


def test_rand_skip_leaves_out_fewer_than_it_says(tmp_path):
    write_list(tmp_path, 6, 2, 2)
    message = layer("ImageData", LIST + "batch_size: 2 rand_skip: 4")
    starts = [labels(opened(message, tmp_path, seed=seed), [0]) for seed in range(40)]
    assert sorted({start[0] for start in starts}) == [0, 1, 2, 3]
    assert all(second == first + 1 for first, second in starts)


def test_pictures_are_resized_grey_or_of_any_kind(tmp_path):
    colour, grey = picture(9, 12), picture(7, 5)[..., 0]
    write_pictures(tmp_path, {"a.png": colour, "sub/b.png": grey})
    Image.fromarray(np.full((8, 8, 3), 77, np.uint8)).save(tmp_path / "c d.jpg")
    (tmp_path / "list.txt").write_text("a.png 1\n\nsub/b.png 0\r\nc d.jpg -1\n")
    sized = "batch_size: 3 new_height: 6 new_width: 5 "
    images, numbers = opened(layer("ImageData", LIST + sized), tmp_path).batch(0)
    np.testing.assert_array_equal(images[0], blob(resized(colour, 6, 5)))
    np.testing.assert_array_equal(images[1], resized(grey[..., None].repeat(3, -1), 6, 5).transpose(2, 0, 1))
    np.testing.assert_array_equal(images[2], np.full((3, 6, 5), 77))
    np.testing.assert_array_equal(numbers, [1, 0, -1])
    source = opened(layer("ImageData", LIST + sized + "is_color: false"), tmp_path)
    assert source.shapes[0] == (3, 1, 6, 5)
    np.testing.assert_array_equal(source.batch(0)[0][1], resized(grey[..., None], 6, 5).transpose(2, 0, 1))


def test_a_batch_of_one_may_change_its_size(tmp_path):
    write_pictures(tmp_path, {"a.png": picture(3, 4), "b.png": picture(6, 5)})
    (tmp_path / "list.txt").write_text("a.png 0\nb.png 1\n")
    source = opened(layer("ImageData", LIST), tmp_path)
    assert [source.batch(index)[0].shape for index in range(3)] == [(1, 3, 3, 4), (1, 3, 6, 5), (1, 3, 3, 4)]
    both = opened(layer("ImageData", LIST + "batch_size: 2"), tmp_path)
    with pytest.raises(
        BadInput, match=r"b.png: found shape \(3, 6, 5\), expected \(3, 3, 4\) as of .*a.png, the batch's first"
    ):
        both.batch(0)


def test_paths_begin_with_the_root_folder_letter_by_letter(tmp_path, monkeypatch):
    write_pictures(tmp_path, {"lists/1.png": picture(2, 2, 1), "pictures/n1.png": picture(2, 2, 2)})
    (tmp_path / "lists/list.txt").write_text("1.png 1\n")
    beside_list = opened(layer("ImageData", 'source: "lists/list.txt"'), tmp_path)
    np.testing.assert_array_equal(beside_list.batch(0)[0][0], blob(picture(2, 2, 1)))
    message = layer("ImageData", 'source: "lists/list.txt" root_folder: "pictures/n"')
    np.testing.assert_array_equal(opened(message, tmp_path).batch(0)[0][0], blob(picture(2, 2, 2)))
    with pytest.raises(
        BadInput, match=r"list.txt: line 1: found '1.png', expected a picture; there is none at pictures/n1"
    ):
        opened(layer("ImageData", 'source: "list.txt" root_folder: "pictures/n"'), tmp_path / "lists")
    monkeypatch.chdir(tmp_path)  # where Caffe looks
    np.testing.assert_array_equal(opened(message, tmp_path / "lists").batch(0)[0][0], blob(picture(2, 2, 2)))
