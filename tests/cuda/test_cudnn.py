"""What cuDNN is asked for, and when it is not: its graphs, plans and streams, by a double that computes what it was asked."""

from __future__ import annotations

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from thinktwice.cuda import cudnn
from thinktwice.layers.correlation import Geometry, correlate, correlate_transposed, correlate_weights, exactly

from .. import cupy_double as cupy
from .cudnn_double import CuDNN

GEOMETRIES = {
    "pointwise": Geometry((1, 1), (1, 1), (0, 0), (1, 1)),
    "padded": Geometry((3, 2), (1, 1), (1, 2), (1, 1)),
    "last rows unseen": Geometry((2, 3), (3, 2), (0, 1), (1, 1)),
    "dilated": Geometry((2, 2), (2, 1), (1, 0), (3, 2)),
    "groups": Geometry((3, 3), (2, 1), (1, 1), (1, 1), group=2),
    "each channel its own": Geometry((2, 2), (1, 1), (0, 0), (1, 1), group=4),
    "the whole image": Geometry((7, 6), (1, 1), (0, 0), (1, 1)),
}


def arrays(geometry: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image (2, 4, 7, 6), filters (8, ...), and a signal that goes with them."""
    rng = np.random.default_rng(0)
    positions = geometry.reduced((7, 6))
    shapes = (2, 4, 7, 6), (8, 4 // geometry.group, *geometry.kernel), (2, 8, *positions)
    x, weights, signal = (rng.normal(size=shape).astype("f") for shape in shapes)
    return x, weights, signal


def close(found: cupy.ndarray, expected: np.ndarray) -> None:
    """Up to the rounding of one sum to float32."""
    assert (found.dtype, found.shape) == (np.dtype("f"), expected.shape)
    np.testing.assert_allclose(found.get(), expected, rtol=0, atol=np.finfo("f").eps * abs(expected).max())


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_the_three_sums(geometry: Geometry, library: CuDNN) -> None:
    x, weights, signal = arrays(geometry)
    gpu_x, gpu_weights, gpu_signal = map(cupy.asarray, (x, weights, signal))
    exact_x, exact_weights, exact_signal = (array.astype("d") for array in (x, weights, signal))
    close(correlate(gpu_x, gpu_weights, geometry), correlate(exact_x, exact_weights, geometry))
    down = correlate_transposed(exact_signal, exact_weights, geometry, (7, 6))
    close(correlate_transposed(gpu_signal, gpu_weights, geometry, (7, 6)), down)
    close(correlate_weights(gpu_x, gpu_signal, geometry), correlate_weights(exact_x, exact_signal, geometry))
    assert [graph.operation for graph in library.graphs] == ["conv_fprop", "conv_dgrad", "conv_wgrad"]


@pytest.mark.usefixtures("library")
def test_what_follows_a_sum() -> None:
    geometry = GEOMETRIES["groups"]
    x, weights, _ = arrays(geometry)
    bias = np.linspace(-1, 1, 8, dtype="f")
    room = cupy.asarray(np.zeros((2, 12, *geometry.reduced((7, 6))), "f"))
    into = room[:, 2:10]
    y = correlate(cupy.asarray(x), cupy.asarray(weights), geometry, cupy.asarray(bias), rectified=True, into=into)
    assert y is into
    close(y, correlate(*(array.astype("d") for array in (x, weights)), geometry, bias.astype("d"), rectified=True))
    assert not room.get()[:, [0, 1, 10, 11]].any()


@pytest.mark.usefixtures("library")
def test_targets_are_images_of_one_batch() -> None:
    geometry = GEOMETRIES["padded"]
    _, weights, signal = arrays(geometry)
    targets = np.stack([signal, -2 * signal, signal])
    down = correlate_transposed(cupy.asarray(targets), cupy.asarray(weights), geometry, (7, 6))
    close(down, correlate_transposed(targets.astype("d"), weights.astype("d"), geometry, (7, 6)))


@pytest.mark.usefixtures("library")
def test_arrays_with_gaps_and_odd_beginnings() -> None:
    geometry = GEOMETRIES["padded"]
    x, weights, signal = arrays(geometry)
    everywhere = cupy.broadcast_to(cupy.asarray(signal[:1, :, :1]), signal.shape)  # strides of 0
    shifted = cupy.asarray(np.zeros(weights.size + 1, "f"))[1:].reshape(*weights.shape)
    shifted[...] = cupy.asarray(weights)
    assert shifted.data.ptr % 16 == 4
    down = correlate_transposed(everywhere, shifted, geometry, (7, 6))
    close(down, correlate_transposed(everywhere.get().astype("d"), weights.astype("d"), geometry, (7, 6)))
    flipped = cupy.asarray(x)[..., ::-1]
    close(correlate(flipped, shifted, geometry), correlate(x[..., ::-1].astype("d"), weights.astype("d"), geometry))


def test_sums_over_nothing(library: CuDNN) -> None:
    geometry = GEOMETRIES["padded"]
    x, weights, signal = (cupy.asarray(array) for array in arrays(geometry))
    assert correlate(x[:0], weights, geometry).shape == (0, *signal.shape[1:])
    assert correlate_transposed(signal[:0], weights, geometry, (7, 6)).shape == (0, *x.shape[1:])
    nothing = correlate_weights(x[:0], signal[:0], geometry)
    assert nothing.shape == weights.shape
    assert not nothing.get().any()
    assert library.asked == 0


def test_a_plan_is_made_once_for_each_case(library: CuDNN) -> None:
    geometry = GEOMETRIES["padded"]
    x, weights, _ = (cupy.asarray(array) for array in arrays(geometry))
    for _ in range(3):
        correlate(x, weights, geometry)
    assert [len(graph.runs) for graph in library.graphs] == [3]
    correlate(x[:1], weights, geometry)
    correlate(x, weights, geometry, guarded=True)
    with exactly(True):
        correlate(x, weights, geometry)
    assert [len(graph.runs) for graph in library.graphs] == [3, 1, 2]


def test_threads_and_devices_have_handles_and_plans_of_their_own(library: CuDNN) -> None:
    geometry = GEOMETRIES["padded"]
    x, weights, _ = (cupy.asarray(array) for array in arrays(geometry))
    correlate(x, weights, geometry)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(correlate, x, weights, geometry).result()
    with cupy.cuda.Device(1):
        x, weights, _ = (cupy.asarray(array) for array in arrays(geometry))
        correlate(x, weights, geometry)
        correlate(x, weights, geometry)
    assert [len(graph.runs) for graph in library.graphs] == [1, 1, 2]
    assert len({id(graph.handle) for graph in library.graphs}) == 3


def test_it_runs_on_the_current_stream(library: CuDNN) -> None:
    geometry = GEOMETRIES["padded"]
    x, weights, _ = (cupy.asarray(array) for array in arrays(geometry))
    correlate(x, weights, geometry)
    with cupy.cuda.Stream() as stream:
        correlate(x, weights, geometry)
        correlate(x, weights, geometry)
    correlate(x, weights, geometry)
    assert library.graphs[0].runs == [0, stream.ptr, stream.ptr, 0]


def test_which_plans_are_barred(library: CuDNN) -> None:
    geometry = GEOMETRIES["padded"]
    x, weights, signal = (cupy.asarray(array) for array in arrays(geometry))
    correlate(x, weights, geometry)
    correlate(x, weights, geometry, guarded=True)
    with exactly(True):
        correlate_transposed(signal, weights, geometry, (7, 6))
        correlate_weights(x, signal, geometry)
    some, *all_sums = (graph.barred for graph in library.graphs)
    rounding = {"TENSOR_CORE", "DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION", "NONDETERMINISTIC"}
    assert some == rounding | {"FFT", "WINOGRAD_TILE_13x13"}
    assert all_sums == 3 * [some | {"WINOGRAD", "WINOGRAD_TILE_4x4", "WINOGRAD_TILE_6x6"}]


def test_without_a_plan_the_other_way_is_taken_and_this_is_said_once(library: CuDNN) -> None:
    geometry = GEOMETRIES["pointwise"]
    library.refused.add("conv_fprop")
    x, weights, _ = arrays(geometry)
    with pytest.warns(RuntimeWarning, match="cuDNN has no plan .*conv_fprop.*none of the engines will do") as said:
        for _ in range(3):
            y = correlate(cupy.asarray(x), cupy.asarray(weights), geometry)
    assert (len(said), library.asked) == (1, 1)
    np.testing.assert_allclose(y.get(), correlate(x.astype("d"), weights.astype("d"), geometry), rtol=0, atol=1e-5)


def test_what_fails_in_a_run_is_no_reason_for_another_way(library: CuDNN) -> None:
    geometry = GEOMETRIES["pointwise"]
    x, weights, _ = (cupy.asarray(array) for array in arrays(geometry))
    correlate(x, weights, geometry)
    library.graphs[0].broken = True
    with pytest.raises(RuntimeError, match="the kernel failed"):
        correlate(x, weights, geometry)


def test_whom_it_serves(library: CuDNN, monkeypatch: pytest.MonkeyPatch) -> None:
    image = cupy.asarray(np.zeros((1, 2, 3, 3), "f"))
    assert cudnn.serves(image, image)
    assert not cudnn.serves(image, image.get())  # NumPy's
    assert not cudnn.serves(image, image.astype("d"))
    assert not cudnn.serves(image[0])  # one spatial axis, or none
    cudnn.library.cache_clear()
    monkeypatch.setenv("THINKTWICE_CUDNN", "0")
    assert not cudnn.serves(image)
    assert library.asked == 0


def test_where_it_is_not_installed_nothing_is_said(library: CuDNN, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cudnn", None)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not cudnn.serves(cupy.asarray(np.zeros((1, 2, 3, 3), "f")))
    assert library.asked == 0


def test_where_it_cannot_be_used_this_is_said_once(library: CuDNN, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> int:
        raise RuntimeError("Unable to find symbol cudnnGetVersion")

    monkeypatch.setattr(library, "backend_version", missing)
    image = cupy.asarray(np.zeros((1, 2, 3, 3), "f"))
    with pytest.warns(RuntimeWarning, match="cuDNN is installed but cannot be used .Unable to find symbol") as said:
        assert not cudnn.serves(image)
        assert not cudnn.serves(image)
    assert len(said) == 1
