"""Layers that move numbers about, add them up or choose among them."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.errors import BadInput

from . import bench


def shape(type_name: str, options: str, *bottoms: tuple[int, ...], tops: int = 1) -> list[tuple[int, ...]]:
    return bench.make(type_name, options, len(bottoms), tops).top_shapes(bottoms)


def test_concat_and_slice_undo_each_other() -> None:
    x = np.arange(24.0).reshape(2, 6, 2)
    pieces = bench.forward(bench.make("Slice", "slice_param { slice_point: 1 slice_point: 4 }", tops=3), [x])
    assert [piece.shape for piece in pieces] == [(2, 1, 2), (2, 3, 2), (2, 2, 2)]
    assert pieces[1].tolist() == [[[2, 3], [4, 5], [6, 7]], [[14, 15], [16, 17], [18, 19]]]
    assert bench.forward(bench.make("Concat", bottoms=3), pieces)[0].tolist() == x.tolist()


def test_concat_follows_its_axis_or_the_older_concat_dim() -> None:
    bottoms = (2, 3, 4), (2, 3, 5)
    assert shape("Concat", "concat_param { axis: 2 }", *bottoms) == [(2, 3, 9)]
    assert shape("Concat", "concat_param { axis: -1 }", *bottoms) == [(2, 3, 9)]
    assert shape("Concat", "concat_param { concat_dim: 2 }", *bottoms) == [(2, 3, 9)]
    assert shape("Concat", "", (2, 3, 4)) == [(2, 3, 4)]


def test_slice_cuts_evenly_without_points() -> None:
    assert shape("Slice", "", (2, 6, 4), tops=3) == [(2, 2, 4)] * 3
    assert shape("Slice", "slice_param { slice_dim: 2 }", (2, 6, 4), tops=2) == [(2, 6, 2)] * 2
    assert shape("Slice", "slice_param { axis: -2 slice_point: 5 }", (2, 6, 4), tops=2) == [(2, 5, 4), (2, 1, 4)]


def test_split_repeats_and_adds_up() -> None:
    layer = bench.make("Split", tops=3)
    assert [top.tolist() for top in bench.forward(layer, [[1, 2]])] == [[1, 2]] * 3
    assert bench.gradient(layer, [[1, 2]], [[[1, 10]], [[2, 20]], [[4, 40]]])[0].tolist() == [[7, 70]]


def test_eltwise_sums_with_coefficients_and_multiplies() -> None:
    bottoms = [[1, 2], [10, 20], [100, 200]]
    assert bench.forward(bench.make("Eltwise", bottoms=3), bottoms)[0].tolist() == [111, 222]
    coefficients = "eltwise_param { coeff: 1 coeff: -0.5 coeff: 0 }"
    assert bench.forward(bench.make("Eltwise", coefficients, 3), bottoms)[0].tolist() == [-4, -8]
    product = bench.make("Eltwise", "eltwise_param { operation: PROD }", 3)
    assert bench.forward(product, bottoms)[0].tolist() == [1000, 8000]


@pytest.mark.filterwarnings("error")
def test_eltwise_products_differentiate_stably_or_by_division() -> None:
    bottoms, signals = [[0.0, 2.0], [5.0, 3.0]], [[[1.0, 1.0]]]
    stable = bench.gradient(bench.make("Eltwise", "eltwise_param { operation: PROD }", 2), bottoms, signals)
    assert [signal.tolist() for signal in stable] == [[[5, 3]], [[0, 2]]]
    by_division = bench.make("Eltwise", "eltwise_param { operation: PROD stable_prod_grad: false }", 2)
    first, second = bench.gradient(by_division, bottoms, signals)
    assert np.isnan(first[0, 0]) and first[0, 1] == 3 and second.tolist() == [[0, 2]]


def test_eltwise_max_gives_a_tie_of_the_first_two_to_the_second_and_never_to_a_later_one() -> None:
    layer = bench.make("Eltwise", "eltwise_param { operation: MAX }", 3)
    bottoms = [[1, 5, 1, 5, 1], [1, 1, 5, 1, 1], [1, 5, 5, 1, 2]]
    assert bench.forward(layer, bottoms)[0].tolist() == [1, 5, 5, 5, 2]
    assert bench.step(layer, bottoms).saved.tolist() == [1, 0, 1, 0, 2]
    signals = [[[1, 2, 3, 4, 5], [10, 20, 30, 40, 50]]]
    assert [signal.tolist() for signal in bench.gradient(layer, bottoms, signals)] == [
        [[0, 2, 0, 4, 0], [0, 20, 0, 40, 0]],
        [[1, 0, 3, 0, 0], [10, 0, 30, 0, 0]],
        [[0, 0, 0, 0, 5], [0, 0, 0, 0, 50]],
    ]


def test_flatten_joins_the_named_axes() -> None:
    assert shape("Flatten", "", (2, 3, 4, 5)) == [(2, 60)]
    assert shape("Flatten", "flatten_param { axis: 0 end_axis: 1 }", (2, 3, 4, 5)) == [(6, 4, 5)]
    assert shape("Flatten", "flatten_param { axis: -3 end_axis: -2 }", (2, 3, 4, 5)) == [(2, 12, 5)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("shape { dim: 0 dim: -1 dim: 8 }", (2, 9, 8)),
        ("shape { dim: 0 dim: 0 dim: 24 }", (2, 3, 24)),
        ("shape { dim: -1 }", (144,)),
        ("shape { dim: 4 dim: -1 } axis: 1 num_axes: 2", (2, 4, 3, 6)),
        ("shape { dim: 1 } axis: 1 num_axes: 0", (2, 1, 3, 4, 6)),
        ("shape { dim: 1 } axis: -1 num_axes: 0", (2, 3, 4, 6, 1)),
        ("shape { dim: 12 dim: 0 } axis: 1 num_axes: 3", None),  # 0 copies the bottom's axis 2: 12 * 4 is not 72
        ("shape { dim: 18 dim: 0 } axis: 1", (2, 18, 4)),
        ("shape { dim: 0 dim: -1 } axis: -4", (2, 3, 24)),
    ],
)
def test_reshape_copies_infers_and_replaces(options: str, expected: tuple[int, ...] | None) -> None:
    layer = bench.make("Reshape", f"reshape_param {{ {options} }}")
    if expected is None:
        with pytest.raises(BadInput):
            layer.top_shapes([(2, 3, 4, 6)])
    else:
        assert layer.top_shapes([(2, 3, 4, 6)]) == [expected]


def test_crop_cuts_the_first_bottom_to_the_second() -> None:
    x, reference = np.arange(20.0).reshape(1, 1, 4, 5), np.zeros((1, 7, 2, 2))
    layer = bench.make("Crop", "crop_param { offset: 1 offset: 3 }", 2)
    assert bench.forward(layer, [x, reference])[0].tolist() == [[[[8, 9], [13, 14]]]]
    to_x, to_reference = bench.gradient(layer, [x, reference], [np.ones((2, 1, 1, 2, 2))])
    assert to_reference.shape == (2, 1, 7, 2, 2) and not to_reference.any()
    assert to_x.shape == (2, 1, 1, 4, 5) and np.argwhere(to_x[1, 0, 0]).tolist() == [[1, 3], [1, 4], [2, 3], [2, 4]]
    assert shape("Crop", "", (2, 3, 6, 7), (1, 1, 4, 5)) == [(2, 3, 4, 5)]
    assert shape("Crop", "crop_param { axis: -3 offset: 1 }", (2, 4, 6, 7), (1, 3, 4, 5)) == [(2, 3, 4, 5)]


def test_tile_repeats_blocks_not_numbers() -> None:
    layer = bench.make("Tile", "tile_param { tiles: 2 }")
    assert bench.forward(layer, [[[1, 2], [3, 4]]])[0].tolist() == [[1, 2, 1, 2], [3, 4, 3, 4]]
    assert bench.gradient(layer, [[[1, 2]]], [[[[1, 2, 10, 20]]]])[0].tolist() == [[[11, 22]]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", 2.0), ("axis: 1", [-2, 4]), ("operation: ASUM axis: 1", [4, 4]), ("operation: SUMSQ axis: 1", [10, 10]),
        ("operation: MEAN axis: 1", [-1, 2]), ("operation: MEAN coeff: 8", 4.0), ("axis: -1 coeff: 0.5", [-1, 2]),
    ],
)  # fmt: skip
def test_reduction_sums_all_axes_from_one_on(options: str, expected: object) -> None:
    (top,) = bench.forward(bench.make("Reduction", f"reduction_param {{ {options} }}"), [[[-3, 1], [1, 3]]])
    assert isinstance(top, np.ndarray) and top.tolist() == expected


def test_argmax_prefers_the_greater_index_among_equals() -> None:
    x = [[1, 5, 5, 2, 5]]
    assert bench.forward(bench.make("ArgMax"), [x])[0].tolist() == [[[4]]]
    assert bench.forward(bench.make("ArgMax", "argmax_param { top_k: 4 }"), [x])[0].tolist() == [[[4, 2, 1, 3]]]
    both = bench.make("ArgMax", "argmax_param { top_k: 2 out_max_val: true }")
    assert bench.forward(both, [x])[0].tolist() == [[[4, 2], [5, 5]]]


def test_argmax_along_an_axis_gives_indices_or_values() -> None:
    x = np.array([[[1, 9], [7, 2], [7, 4]]])  # (1, 3, 2)
    indices = bench.make("ArgMax", "argmax_param { axis: 1 top_k: 2 }")
    assert bench.forward(indices, [x])[0].tolist() == [[[2, 0], [1, 2]]]
    values = bench.make("ArgMax", "argmax_param { axis: -2 top_k: 2 out_max_val: true }")
    assert bench.forward(values, [x])[0].tolist() == [[[7, 9], [7, 4]]]
    assert not values.differentiable


def test_argmax_without_an_axis_has_at_least_three() -> None:
    assert shape("ArgMax", "argmax_param { top_k: 2 }", (4, 6)) == [(4, 1, 2)]
    assert shape("ArgMax", "argmax_param { top_k: 2 out_max_val: true }", (4, 3, 2, 5)) == [(4, 2, 2, 1)]


def test_silence_takes_all_and_gives_nothing() -> None:
    layer = bench.make("Silence", bottoms=3, tops=0)
    assert bench.forward(layer, [[1], [2], [3]]) == []
    assert bench.gradient(layer, [[1], [2], [3]], []) == [None] * 3


@pytest.mark.parametrize(
    ("type_name", "options", "bottoms", "tops", "message"),
    [
        ("Concat", "concat_param { axis: 1 concat_dim: 1 }", [(2, 3)], 1, "concat_dim: found it beside axis"),
        ("Concat", "concat_param { concat_dim: 2 }", [(2, 3)], 1, "concat_param.concat_dim: found 2, expected an"),
        ("Concat", "", [(2, 3, 4), (2, 3, 5)], 1, "bottom: found shapes (2, 3, 4) and (2, 3, 5), expected the same"),
        ("Concat", "", [(2, 3, 4), (2, 3)], 1, "bottom: found shapes (2, 3, 4) and (2, 3)"),
        ("Slice", "slice_param { axis: 1 slice_dim: 1 }", [(2, 3)], 2, "slice_dim: found it beside axis"),
        ("Slice", "", [(2, 5)], 2, "top: found 2 blobs, expected a divisor of the 5 entries to slice"),
        ("Slice", "slice_param { slice_point: 1 }", [(2, 5)], 3, "slice_param.slice_point: found 1 points,"),
        ("Slice", "slice_param { slice_point: 3 slice_point: 2 }", [(2, 5)], 3, "found [3, 2], expected rising"),
        ("Slice", "slice_param { slice_point: 5 }", [(2, 5)], 2, "found [5], expected rising numbers between 0 and"),
        ("Eltwise", "", [(2, 3)], 1, "bottom: found 1 blobs, expected at least 2"),
        ("Eltwise", "", [(2, 3), (2, 1)], 1, "bottom: found shapes (2, 3) and (2, 1), expected one shape"),
        ("Eltwise", "eltwise_param { coeff: 1 }", [(2, 3)] * 2, 1, "eltwise_param.coeff: found 1 numbers, expected"),
        ("Eltwise", "eltwise_param { operation: PROD coeff: 1 coeff: 2 }", [(2, 3)] * 2, 1, "only SUM takes"),
        ("Flatten", "flatten_param { axis: 4 }", [(2, 3)], 1, "flatten_param.axis: found 4, expected an axis of a"),
        ("Flatten", "flatten_param { axis: 2 end_axis: 0 }", [(2, 3, 4)], 1, "flatten_param.end_axis: found 0"),
        ("Reshape", "reshape_param { shape { dim: -1 dim: -1 } }", [(2, 3)], 1, "found [-1, -1], expected -1 at"),
        ("Reshape", "reshape_param { shape { dim: -2 } }", [(2, 3)], 1, "found [-2], expected sizes, 0 (copy) or -1"),
        ("Reshape", "reshape_param { shape { dim: 4 dim: -1 } }", [(2, 3)], 1, "sizes that divide the bottom's (2,"),
        ("Reshape", "reshape_param { shape { dim: 5 } }", [(2, 3)], 1, "found (5,) from [5], expected as many"),
        ("Reshape", "reshape_param { shape { dim: 0 dim: 0 dim: 0 } }", [(2, 3)], 1, "where the bottom (2, 3) has"),
        ("Reshape", "reshape_param { axis: 3 }", [(2, 3)], 1, "reshape_param.axis: found 3, expected -3 to 2"),
        ("Reshape", "reshape_param { axis: 1 num_axes: 2 }", [(2, 3)], 1, "reshape_param.num_axes: found 2"),
        ("Crop", "crop_param { offset: 3 }", [(1, 1, 4, 5), (1, 1, 2, 2)], 1, "found 3 + 2 on axis 2, expected at"),
        ("Crop", "crop_param { offset: 1 offset: 1 offset: 1 }", [(1, 1, 4, 5)] * 2, 1, "found 3 numbers, expected"),
        ("Crop", "", [(1, 1, 4, 5), (4, 5)], 1, "bottom: found shapes (1, 1, 4, 5) and (4, 5)"),
        ("Tile", "", [(2, 3)], 1, "tile_param.tiles: found nothing, expected a positive number"),
        ("Tile", "tile_param { tiles: -1 }", [(2, 3)], 1, "tile_param.tiles: found -1"),
        ("Reduction", "reduction_param { axis: 2 }", [(2, 3)], 1, "reduction_param.axis: found 2"),
        ("ArgMax", "argmax_param { top_k: 0 }", [(2, 3)], 1, "argmax_param.top_k: found 0, expected a positive"),
        ("ArgMax", "argmax_param { top_k: 4 }", [(2, 3)], 1, "argmax_param.top_k: found 4, expected at most 3"),
        ("Silence", "", [(2, 3)], 1, "top: found 1 blobs, expected 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    type_name: str, options: str, bottoms: list[tuple[int, ...]], tops: int, message: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        bench.make(type_name, options, len(bottoms), tops, "net.prototxt").top_shapes(bottoms)
    assert str(refusal.value).startswith(f"net.prototxt: layer 'l' ({type_name}): ")
    assert message in str(refusal.value)
