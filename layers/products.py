"""Products of matrices, as fully connected layers have them.

On a GPU they are cuBLAS's, but CuPy has none of those captured as a CUDA graph. While a stream captures they are cuDNN's, where it is
installed: convolutions of images of one pixel.
"""

from __future__ import annotations

import numpy as np

from ..cuda import cudnn
from .arrays import Array
from .correlation import Geometry, exact

POINT = Geometry((1, 1), (1, 1), (0, 0), (1, 1))


def product(a: Array, b: Array) -> Array:
    """a b for ``a`` (N, O) and ``b`` (O, F): (N, F)."""
    found = cudnn.input_gradient(*_images(a, b), POINT, (1, 1), exact()) if _captured(a) else None
    return a @ b if found is None else found.reshape(len(a), b.shape[1])


def product_transposed(a: Array, b: Array) -> Array:
    """a b^T for ``a`` (N, F) and ``b`` (O, F): (N, O)."""
    found = cudnn.forward(*_images(a, b), POINT, exact()) if _captured(a) else None
    return a @ b.T if found is None else found.reshape(len(a), len(b))


def _captured(array: Array) -> bool:
    if isinstance(array, np.ndarray):
        return False
    import cupy

    return cupy.cuda.get_current_stream().is_capturing()


def _images(*matrices: Array) -> list[Array]:
    return [matrix.reshape(*matrix.shape, 1, 1) for matrix in matrices]
