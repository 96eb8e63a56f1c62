"""The gradient over ten crops, as Simonyan et al. average it."""

from __future__ import annotations

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.errors import BadInput

from ..nets import make
from ..oracles import resizing, small_net

HEIGHT, WIDTH = 16, 9
TEXT = small_net.PROTOTXT.replace("dim: 5 dim: 6", f"dim: {HEIGHT} dim: {WIDTH}")
X = np.random.default_rng(0).normal(size=(2, 2, HEIGHT, WIDTH))


def net() -> tt.Net:
    weights, rng = small_net.random_weights(0), np.random.default_rng(1)
    return make(TEXT, {**weights, "fc": (rng.normal(size=(4, 5 * 7 * 4)), np.zeros(4))})


def test_ten_views_are_averaged_where_they_lie() -> None:
    """Windows of 14 x 8: seven eighths of 16, and of 9 (7.875), rounded."""
    windows = [(0, 0), (0, 1), (2, 0), (2, 1), (1, 0)]
    total, covers, scores = np.zeros((2, 2, HEIGHT, WIDTH)), np.zeros((HEIGHT, WIDTH)), np.zeros((2, 2))
    for top, left in windows:
        for mirrored in (False, True):
            view = np.zeros_like(X)
            for n, c in np.ndindex(X.shape[:2]):
                view[n, c] = resizing.bilinear(X[n, c, top : top + 14, left : left + 8], HEIGHT, WIDTH)
            alone = tt.attend(net(), view[..., ::-1] if mirrored else view, [1, 3], "gradient")
            scores += alone.scores / 10
            for n, k in np.ndindex(2, 2):
                own = alone.map[n, k, :, ::-1] if mirrored else alone.map[n, k]
                total[n, k, top : top + 14, left : left + 8] += resizing.bilinear(own, 14, 8)
            covers[top : top + 14, left : left + 8] += 1
    assert covers.min() == 2, "a corner lies in its own window, straight and mirrored"
    found = tt.attend(net(), X, [1, 3], "gradient", crops=10)
    np.testing.assert_allclose(found.map, total / covers, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-12)
    assert found.at == "data"


def test_a_mirrored_image_has_the_mirrored_map() -> None:
    """All views have a mirror image but for windows whose place is rounded down: 16 pixels leave two, and 1 is between."""
    x = np.random.default_rng(3).normal(size=(1, 2, 16, 16))
    weights = {**small_net.random_weights(0), "fc": (np.random.default_rng(1).normal(size=(4, 5 * 7 * 7)), np.zeros(4))}
    square = make(TEXT.replace(f"dim: {WIDTH}", "dim: 16"), weights)
    straight, mirrored = (tt.attend(square, image, 2, "gradient", crops=10).map for image in (x, x[..., ::-1]))
    np.testing.assert_allclose(mirrored, straight[..., ::-1], rtol=1e-9, atol=1e-12)
    plain = [tt.attend(square, image, 2, "gradient").map for image in (x, x[..., ::-1])]
    assert not np.allclose(plain[1], plain[0][..., ::-1])


def test_maps_of_crops_lie_on_the_image() -> None:
    with pytest.raises(BadInput, match="at: found 'pool1', expected 'data' with 10 crops"):
        tt.attend(net(), X, 0, "gradient", at="pool1", crops=10)
    with pytest.raises(BadInput, match=r"option crops: found 5, expected one of \[1, 10\]"):
        tt.attend(net(), X, 0, "gradient", crops=5)
