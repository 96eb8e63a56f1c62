"""Products of matrices, as fully connected layers have them.

On a GPU they are cuBLAS's, but CuPy has none of those captured as a CUDA graph. In work that is to be captured they are cuDNN's, where
it is installed: convolutions of images of one pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..cuda import cudnn
from .arrays import Array
from .correlation import Geometry, exact

POINT = Geometry((1, 1), (1, 1), (0, 0), (1, 1))

_by_cudnn: ContextVar[bool] = ContextVar("by_cudnn", default=False)


@contextmanager
def to_be_captured(whether: bool = True) -> Iterator[None]:
    """Within, products are such that a stream can capture them."""
    token = _by_cudnn.set(whether)
    try:
        yield
    finally:
        _by_cudnn.reset(token)


def product(a: Array, b: Array) -> Array:
    """a b for ``a`` (N, O) and ``b`` (O, F): (N, F)."""
    found = cudnn.input_gradient(*_images(a, b), POINT, (1, 1), exact()) if _by_cudnn.get() else None
    return a @ b if found is None else found.reshape(len(a), b.shape[1])


def product_transposed(a: Array, b: Array) -> Array:
    """a b^T for ``a`` (N, F) and ``b`` (O, F): (N, O)."""
    found = cudnn.forward(*_images(a, b), POINT, exact()) if _by_cudnn.get() else None
    return a @ b.T if found is None else found.reshape(len(a), len(b))


def _images(*matrices: Array) -> list[Array]:
    return [matrix.reshape(*matrix.shape, 1, 1) for matrix in matrices]
