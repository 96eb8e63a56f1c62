"""A double of CuPy over NumPy's arrays: what is written for a GPU runs on it where there is none, under CuPy's rules.

Strict where CuPy is: its arrays are no NumPy arrays, do not mix with them and become such only when asked (``get``); the module has
no more names than ``NAMES``, all of which CuPy has. A kernel is its host build, the same text. ``waits`` counts how often a program
had to wait for the device: numbers, copies and sizes that the host asked for. While a stream captures, nothing that changes an array is
done: all is kept, to be done by the graph's ``launch``; and nothing may be asked for, nor cuBLAS be called (``REFUSED``).
"""

from __future__ import annotations

import ctypes
import operator
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from thinktwice.cuda.launcher import host_build

FUNCTIONS = """
    abs add all amax amin any argmax argmin argsort broadcast_to clip concatenate cos cumsum divide einsum empty_like equal exp expm1
    floor fmax full_like greater greater_equal isfinite less less_equal log log1p logical_and logical_or matmul max maximum
    may_share_memory mean min minimum moveaxis multiply nextafter not_equal ones_like power prod sign sin sort sqrt square stack
    subtract sum swapaxes take take_along_axis tanh transpose where zeros_like
"""
NEW = "arange array asarray ascontiguousarray empty full ones zeros"  # made of numbers alone, or of NumPy's arrays
OTHERS = "bool_ dtype finfo float32 float64 inf int32 int64 nan newaxis pi result_type"
NAMES = frozenset(f"{FUNCTIONS} {NEW} {OTHERS}".split())
METHODS = """all any argmax argmin argsort clip copy cumsum dot fill flatten max mean min prod ravel repeat reshape round sort squeeze std
    sum swapaxes take transpose var view"""
REFUSED = {"matmul", "imatmul", "dot", "einsum"}  # by CuPy while a stream captures
CHANGING = {"setitem", "fill", "iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor"}
BINARY, COMPARING, UNARY = (
    "add sub mul truediv floordiv mod pow matmul and or xor",
    "lt le eq ne gt ge",
    "neg pos abs invert",
)
LACKING = frozenset(("initial", "where", "casting", "order"))  # words that functions of NumPy's know and CuPy's do not

waits = 0  # how often the host has waited


class Captured(Exception):
    """What CUDA refuses while a stream captures."""


def _waited() -> None:
    global waits
    if cuda.capturing is not None:
        raise Captured("the stream captures, and the host asked for something")
    waits += 1


# -- arrays ---------------------------------------------------------------------------------------------------------------


class ndarray:
    """An array on the device."""

    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, on_device: np.ndarray):
        self._on_device = on_device
        self.device = _Device(cuda.device)

    def __repr__(self) -> str:
        return f"cupy_double({self.shape}, {self.dtype})"

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc.__name__.replace("absolute", "abs") not in NAMES:
            return NotImplemented
        return _run(getattr(ufunc, method), *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _run(function, *args, **kwargs) if function.__name__ in NAMES else NotImplemented

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self._on_device.__array_interface__

    # what is known without asking the device
    shape = property(lambda self: self._on_device.shape)
    dtype = property(lambda self: self._on_device.dtype)
    ndim = property(lambda self: self._on_device.ndim)
    size = property(lambda self: self._on_device.size)
    nbytes = property(lambda self: self._on_device.nbytes)
    itemsize = property(lambda self: self._on_device.itemsize)
    strides = property(lambda self: self._on_device.strides)
    flags = property(lambda self: self._on_device.flags)
    data = property(lambda self: SimpleNamespace(ptr=self._on_device.ctypes.data))
    T = property(lambda self: _run(np.transpose, self))

    def __len__(self) -> int:
        return len(self._on_device)

    def __iter__(self) -> Iterator[ndarray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> ndarray:
        parts = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, (ndarray, np.ndarray)) and part.dtype == bool for part in parts):
            _waited()  # for how many there are
        return _run(operator.getitem, self, _Uploaded(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        _run(operator.setitem, self, _Uploaded(key), value)

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def get(self) -> np.ndarray:
        _waited()
        return self._on_device.copy()

    def set(self, array: np.ndarray) -> None:
        if cuda.capturing is not None:
            raise Captured("the stream captures, and the host sent an array")
        self._on_device[...] = array

    def astype(self, dtype: Any, order: str = "K", copy: bool = True) -> ndarray:
        if not copy and self.dtype == dtype and order == "K":
            return self
        return _run(lambda a: a.astype(dtype, order, copy=copy), self)


def _method(name: str) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: _run(getattr(np.ndarray, name), self, *args, **kwargs)


def _operator(name: str) -> Callable[..., Any]:
    function = getattr(operator, name)
    return lambda self, *others: _run(function, self, *others)


def _reflected(name: str) -> Callable[..., Any]:
    function = getattr(operator, name)
    return lambda self, other: _run(function, other, self)


for _name in METHODS.split():
    setattr(ndarray, _name, _method(_name))
for _name in BINARY.split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(ndarray, f"__r{_name}__", _reflected(f"__{_name}__"))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _operator(f"__i{_name}__"))
for _name in f"{COMPARING} {UNARY}".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))


class _Uploaded:
    """An index, which may be NumPy's: CuPy sends it to the device."""

    def __init__(self, key: Any):
        self.key = key


def _run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What NumPy makes of arrays on the device, there."""
    if LACKING.intersection(kwargs):
        raise TypeError(f"unexpected keyword arguments {sorted(LACKING.intersection(kwargs))}")
    if cuda.capturing is not None and function.__name__ in REFUSED:
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    there = _on_device(args), _on_device(kwargs)
    if cuda.capturing is not None and (function.__name__ in CHANGING or "out" in kwargs):
        cuda.capturing.append(lambda: function(*there[0], **there[1]))
        return kwargs.get("out", args[0])
    with np.errstate(**({} if cuda.capturing is None else {"all": "ignore"})):  # numbers that are still to be made
        result = function(*there[0], **there[1])
    if not isinstance(result, (np.ndarray, np.generic, tuple)):  # nothing, or no numbers
        return result
    made = tuple(map(np.asarray, result)) if isinstance(result, tuple) else (np.asarray(result),)

    def again() -> None:
        repeated = function(*there[0], **there[1])
        for one, new in zip(made, repeated if isinstance(repeated, tuple) else (repeated,), strict=True):
            np.copyto(one, new)

    if cuda.capturing is not None:
        cuda.capturing.append(again)
    arrays = tuple(map(ndarray, made))
    return arrays if isinstance(result, tuple) else arrays[0]


def _on_device(part: Any) -> Any:
    if isinstance(part, ndarray):
        if part.device.id != cuda.device:
            raise ValueError(f"Array device must be same as the current device: {part.device.id} and {cuda.device}")
        return part._on_device
    if isinstance(part, _Uploaded):
        return _index(part.key)
    if isinstance(part, np.ndarray):
        raise TypeError(f"Unsupported type {type(part)}: an array of NumPy's among those on the device")
    if isinstance(part, (tuple, list)):
        return type(part)(map(_on_device, part))
    if isinstance(part, dict):
        return {key: _on_device(value) for key, value in part.items()}
    return part


def _index(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(map(_index, key))
    if isinstance(key, np.ndarray) and cuda.capturing is not None:
        raise Captured("the stream captures, and the host sent an index")
    return key._on_device if isinstance(key, ndarray) else key


# -- the module -----------------------------------------------------------------------------------------------------------


def __getattr__(name: str) -> Any:
    if name in NEW.split():
        return lambda *args, **kwargs: _made(getattr(np, name), *args, **kwargs)
    if name in FUNCTIONS.split():
        return lambda *args, **kwargs: _run(getattr(np, name), *args, **kwargs)
    if name in OTHERS.split():
        return getattr(np, name)
    raise AttributeError(f"module 'cupy' (its double) has no attribute {name!r}")


def _made(function: Callable[..., Any], *args: Any, **kwargs: Any) -> ndarray:
    """A new array: of NumPy's, which is sent to the device, of numbers, or of what is there already."""
    given = args[0] if args else None
    if function is np.empty:
        return ndarray(_unwritten(*args, **kwargs))
    if isinstance(given, np.ndarray) or (isinstance(given, (list, tuple)) and function in (np.array, np.asarray)):
        if cuda.capturing is not None:
            raise Captured("the stream captures, and the host sent an array")
        return ndarray(np.array(function(*args, **kwargs)))
    if isinstance(given, ndarray) and function is np.asarray and given.dtype == (kwargs.get("dtype") or given.dtype):
        return given
    return _run(function, *args, **kwargs)


def _unwritten(size: Any, dtype: Any = np.float64) -> np.ndarray:
    """Nobody has written there yet: not a number, where that can be said."""
    array = np.empty(size, dtype)
    array.reshape(-1).view(np.uint8).fill(0xFF)
    return array


def shape(array: Any) -> tuple[int, ...]:
    return array.shape if isinstance(array, ndarray) else np.shape(array)


def from_dlpack(array: Any) -> ndarray:
    if array.__dlpack_device__()[0] == 1:
        raise TypeError("CPU arrays cannot be directly imported to CuPy")
    return ndarray(np.from_dlpack(array).copy())


class linalg:
    @staticmethod
    def svd(a: ndarray, full_matrices: bool = True, compute_uv: bool = True) -> Any:
        if cuda.capturing is not None:
            raise NotImplementedError("calling cuSOLVER API during stream capture is currently unsupported")
        return tuple(_run(lambda x: tuple(np.linalg.svd(x, full_matrices, compute_uv)), a))


class RawModule:
    """Kernels of a text, by their host build."""

    def __init__(self, *, code: str, options: tuple[str, ...] = (), name_expressions: Any = ()):
        assert code and all(isinstance(option, str) for option in options)
        self._names = tuple(name_expressions)

    def get_function(self, name: str) -> Callable[..., None]:
        assert name in self._names
        build = host_build()
        place = build.thinktwice_kernel(name.encode()) if build else None
        if not place:
            raise RuntimeError(f"no host build of {name}")
        kernel = ctypes.CFUNCTYPE(None, ctypes.c_longlong, ctypes.c_char_p)(place)

        def launch(grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
            assert all(argument.size == 1 for argument in arguments if isinstance(argument, np.ndarray))
            assert len(grid) == 1 and 0 < grid[0] < 2**31 and 0 < np.prod(block) <= 1024
            arguments = tuple(map(_by_value, arguments))
            slots = [_slot(argument) for argument in arguments]
            packed = struct.pack("".join(layout for layout, _ in slots), *(value for _, value in slots))

            def work(_alive: Any = arguments) -> None:
                kernel(grid[0], packed)

            work() if cuda.capturing is None else cuda.capturing.append(work)

        return launch


def _by_value(argument: Any) -> Any:
    return np.frombuffer(argument.tobytes(), np.int64) if isinstance(argument, np.ndarray) else argument


def _slot(argument: Any) -> tuple[str, Any]:
    """As CuPy hands it to a kernel: 8 bytes each for the host build."""
    if isinstance(argument, ndarray):
        return "q", _on_device(argument).ctypes.data
    if isinstance(argument, np.ndarray):  # a record: the host build takes its address
        return "q", argument.ctypes.data
    if isinstance(argument, np.float32):
        return "f4x", float(argument)
    if isinstance(argument, (float, np.float64)):
        return "d", float(argument)
    if isinstance(argument, (int, np.integer)):
        return "q", int(argument)
    raise TypeError(f"Unsupported type {type(argument)}: no argument of a kernel")


class _Device:
    """One of several devices."""

    def __init__(self, index: int = 0):
        self.id = index

    def __enter__(self) -> _Device:
        self._before, cuda.device = cuda.device, self.id
        return self

    def __exit__(self, *_: object) -> None:
        cuda.device = self._before

    def use(self) -> None:
        cuda.device = self.id

    def synchronize(self) -> None:
        _waited()


class _Stream:
    """A stream: everything is done at once or, while it captures, kept."""

    def __init__(self, null: bool = False, non_blocking: bool = False):
        self.ptr = 0 if null else id(self)

    def __enter__(self) -> _Stream:
        self._before, cuda.stream = cuda.stream, self
        return self

    def __exit__(self, *_: object) -> None:
        cuda.stream = self._before

    def synchronize(self) -> None:
        _waited()

    def begin_capture(self) -> None:
        assert self.ptr, "CUDA captures no default stream"
        cuda.capturing = []

    def is_capturing(self) -> bool:
        return cuda.capturing is not None

    def end_capture(self) -> _Graph:
        kept, cuda.capturing = cuda.capturing, None
        return _Graph(kept)


class _Graph:
    def __init__(self, work: list[Callable[[], None]]):
        self._work = work

    def launch(self, stream: _Stream | None = None) -> None:
        for one in self._work:
            one()


class _MemoryPool:
    held: ClassVar[int] = 0  # pools that have not given back what they hold

    def malloc(self, size: int) -> Any:
        raise AssertionError("arrays of the double are NumPy's")

    def free_all_blocks(self) -> None:
        _MemoryPool.held -= self._holds
        self._holds = 0

    def __init__(self) -> None:
        self._holds = 1
        _MemoryPool.held += 1


@contextmanager
def _using_allocator(allocator: Any = None) -> Iterator[None]:
    yield


cuda = SimpleNamespace(
    Device=_Device,
    Stream=_Stream,
    Graph=_Graph,
    MemoryPool=_MemoryPool,
    using_allocator=_using_allocator,
    get_current_stream=lambda: cuda.stream,
    runtime=SimpleNamespace(
        getDeviceCount=lambda: 2, getDevice=lambda: cuda.device, getDeviceProperties=lambda index: {"name": b"a double"}
    ),
    device=0,
    stream=_Stream(null=True),
    capturing=None,
)
