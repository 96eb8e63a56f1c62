"""A net is immutable: what comes in stays as it is, whatever array it is, and threads may share it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.caffe_models.definition import parse_net
from thinktwice.executor.device import Device
from thinktwice.executor.load import build

from ..nets import data, deep, image, layer, make
from ..oracles import small_net

RULES = ["gradient", "guided", "excitation"]


# -- what comes in -----------------------------------------------------------------------------------------------------------


class OnlyDLPack:
    """A tensor of another library: nothing but the protocol."""

    def __init__(self, array: np.ndarray):
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


X = (image() * 100).round()
KINDS: dict[str, Callable[[], Any]] = {
    "float32": lambda: X.astype(np.float32),
    "int64": lambda: X.astype(np.int64),
    "uint8": lambda: X.astype(np.uint8),
    "big-endian": lambda: X.astype(">f8"),
    "Fortran order": lambda: np.asfortranarray(X),
    "reversed": lambda: X[:, ::-1, ::-1, ::-1].copy()[:, ::-1, ::-1, ::-1],
    "transposed": lambda: X.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
    "every other": lambda: X.repeat(2, 3)[..., ::2],
    "read-only": lambda: np.frombuffer(X.tobytes()).reshape(X.shape),
    "nested lists": lambda: X.tolist(),
    "DLPack": lambda: OnlyDLPack(X.copy()),
    "DLPack, strided": lambda: OnlyDLPack(X.repeat(2, 3)[..., ::2]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_array_of_numbers_will_do(kind: str) -> None:
    net, _ = deep()
    expected, trace = net.forward(data=X), net.forward(data=KINDS[kind]())
    assert type(trace["data"]) is np.ndarray
    assert trace["data"].dtype == np.float64
    assert np.array_equal(trace["fc2"], expected["fc2"])


@pytest.mark.parametrize("kind", KINDS)
def test_any_array_will_do_as_a_signal_and_an_image(kind: str) -> None:
    net = make(data(2, 2, 6, 7) + layer("twice", "Power", "data", "power_param { scale: 2 }"))
    walk = net.backward(net.forward(data=X), {"twice": KINDS[kind]()})
    assert np.array_equal(walk["data"], 2 * X)
    found = tt.attend(deep()[0], KINDS[kind](), 1, "mwp")
    assert np.array_equal(found.map, tt.attend(deep()[0], X, 1, "mwp").map)


def test_a_torch_tensor_will_do() -> None:
    torch = pytest.importorskip("torch")
    net, _ = deep()
    assert np.array_equal(net.forward(data=torch.from_numpy(X))["fc2"], net.forward(data=X)["fc2"])
    with pytest.raises(tt.BadInput, match="blob 'data': found Tensor, expected numbers"):
        net.forward(data=torch.from_numpy(X).requires_grad_())


@pytest.mark.parametrize("error", [BufferError, RuntimeError, TypeError])
def test_a_tensor_that_gives_no_array_is_bad_input(error: type[Exception]) -> None:
    class Elsewhere(OnlyDLPack):
        def __dlpack__(self, **options: Any) -> Any:
            raise error("it lives on another device")

    with pytest.raises(
        tt.BadInput, match=r"blob 'data': found Elsewhere, expected numbers \(it lives on another device\)"
    ):
        deep()[0].forward(data=Elsewhere(X))


def test_double_and_single_precision() -> None:
    rng = np.random.default_rng(0)
    weights = {"fc": (rng.normal(size=(3, 84)), rng.normal(size=3))}
    text = data(2, 2, 6, 7) + layer("fc", "InnerProduct", "data", "inner_product_param { num_output: 3 }")
    single, double = (make(text, weights, dtype) for dtype in ("float32", "float64"))
    expected = X.reshape(2, -1) @ weights["fc"][0].T + weights["fc"][1]
    assert single.forward(data=X)["fc"].dtype == single.params["fc"][0].dtype == np.float32
    np.testing.assert_allclose(double.forward(data=X)["fc"], expected, rtol=1e-14)
    np.testing.assert_allclose(single.forward(data=X)["fc"], expected, rtol=0, atol=1e-4 * abs(expected).max())
    with pytest.raises(tt.BadInput, match=r"dtype: found 'float16', expected one of \['float32', 'float64'\]"):
        make(text, weights, "float16")


# -- what stays as it is -----------------------------------------------------------------------------------------------------


def frozen(*arrays: Any) -> list[bytes]:
    """The arrays' bits; from now on, writing to them is an error."""
    for array in arrays:
        array.flags.writeable = False
    return [array.tobytes() for array in arrays]


@pytest.mark.parametrize("rule", RULES)
def test_nothing_that_comes_in_is_changed(rule: str) -> None:
    net, _ = deep()
    x, signal = image(), np.random.default_rng(1).normal(size=(2, 4))
    parameters = [array for arrays in net.params.values() for array in arrays]
    before = frozen(x, signal, *parameters)
    trace = net.forward(data=x)
    held = list(trace.values.values())
    held_before = frozen(*held)
    walk = net.backward(trace, {"fc2": signal}, rule, params=rule == "gradient")
    again = net.backward(trace, {"fc2": signal}, rule)
    for blob in walk.blobs:
        assert np.array_equal(walk[blob], again[blob])
    assert before == [array.tobytes() for array in (x, signal, *parameters)]
    assert held_before == [array.tobytes() for array in held]


@pytest.mark.parametrize("method", sorted(tt.METHODS))
def test_methods_change_nothing(method: str) -> None:
    net, x = make(*small_net.definition(method, 0)), np.random.default_rng(0).normal(size=(2, 2, 5, 6))
    parameters = [array for arrays in net.params.values() for array in arrays]
    before = frozen(x, *parameters)
    first, second = (tt.attend(net, x, [0, 3], method).map for _ in range(2))
    assert np.array_equal(first, second)
    assert before == [array.tobytes() for array in (x, *parameters)]


def test_the_table_of_parameters_is_closed() -> None:
    net, _ = deep()
    with pytest.raises(TypeError):
        net.params["fc2"] = ()  # type: ignore[index]


def test_eight_threads_share_a_net() -> None:
    """Each with its own images, over all rules, to the bit as one after another."""
    net, _ = deep()
    images = [image(seed) for seed in range(24)]

    def answer(number: int) -> list[np.ndarray]:
        rule, signal = RULES[number % 3], np.random.default_rng(number).normal(size=(3, 2, 4))
        trace = net.forward(data=images[number], blobs=["fc2"], rule=rule, to=["data"])
        return [trace["fc2"], net.backward(trace, {"fc2": signal}, rule, to=["data"])["data"]]

    serial = [answer(number) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(answer, [*range(24)] * 4))
    for number, found in enumerate(parallel):
        for one, other in zip(found, serial[number % 24], strict=True):
            assert np.array_equal(one, other)


# -- devices -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpu", "cpu:0", "cuda:x", "CPU", "", "auto:1"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(tt.BadInput, match=f"device: found '{name}', expected auto, cpu, cuda or cuda:n"):
        Device.named(name)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(tt.BadInput, match=r"device: found 'cuda:99', expected .*CuPy sees \d+ CUDA devices"):
        Device.named("cuda:99")


def test_numbers_keep_their_shape() -> None:
    """``ascontiguousarray`` alone would give a number an axis."""
    cpu = Device.named("cpu")
    assert cpu.array(3, np.dtype("float32")).shape == ()
    assert cpu.array([[]], np.dtype("float32")).shape == (1, 0)
    array = np.ones((2, 3), np.float32)
    assert cpu.array(array, array.dtype) is array or np.shares_memory(cpu.array(array, array.dtype), array)


# -- what is easily mistaken -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seeded", [True, False])
def test_nobody_writes_into_parameters(dtype: str, seeded: bool) -> None:
    text = data(1, 2, 3, 3) + layer("c", "Convolution", "data", "convolution_param { num_output: 1 kernel_size: 1 }")
    own = np.ones((1, 2, 1, 1), dtype)
    net = (
        build(parse_net(text), seed=0, device="cpu", dtype=dtype) if seeded else make(text, {"c": (own, [0.0])}, dtype)
    )
    with pytest.raises(ValueError, match="read-only"):
        net.params["c"][0][...] = 0
    own[...] = own  # the caller's array stays writable


def test_a_text_is_not_taken_for_its_letters(tmp_path: Path) -> None:
    net, _ = deep()
    trace = net.forward(data=X)
    signal = {"fc2": np.ones((2, 4))}
    for what, wrong in {
        "blobs": lambda: net.forward(data=X, blobs="fc2"),
        "to": lambda: net.backward(trace, signal, to="data"),
        "stages": lambda: tt.load(tmp_path / "never_opened.prototxt", stages="deploy"),
    }.items():
        with pytest.raises(tt.BadInput, match=rf"^{what}: found the text '\w+', expected several names"):
            wrong()


def test_an_array_without_its_blob_name() -> None:
    net, _ = deep()
    with pytest.raises(tt.BadInput, match=r"^inputs: found ndarray, expected arrays by name: data=array"):
        net.forward(X)


def test_a_trace_of_another_net() -> None:
    net, _ = deep()
    other, _ = deep()
    with pytest.raises(tt.BadInput, match=r"^trace: found one of another net"):
        net.backward(other.forward(data=X), {"fc2": np.ones((2, 4))})
