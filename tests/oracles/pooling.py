"""Caffe's pooling, window by window, in the order in which its CPU code visits pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Pixel = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    kernel: Pixel
    stride: Pixel = (1, 1)
    pad: Pixel = (0, 0)

    def positions(self, size: Pixel) -> Pixel:
        """How many windows: rounded up; a last one that starts behind the image and its padding is dropped, which Caffe
        looks for along both axes as soon as one of them is padded."""
        counts = []
        for n, k, s, p in zip(size, self.kernel, self.stride, self.pad, strict=True):
            windows = 1
            while (windows - 1) * s < n + 2 * p - k:
                windows += 1
            if any(self.pad) and (windows - 1) * s >= n + p:
                windows -= 1
            counts.append(windows)
        return counts[0], counts[1]

    def windows(self, size: Pixel) -> Iterator[tuple[Pixel, list[Pixel], int]]:
        """Each window's position, its real pixels in raster order, and Caffe's divisor of an average."""
        (height, width), (rows, columns) = size, self.positions(size)
        for i in range(rows):
            for j in range(columns):
                top, left = i * self.stride[0] - self.pad[0], j * self.stride[1] - self.pad[1]
                bottom = min(top + self.kernel[0], height + self.pad[0])
                right = min(left + self.kernel[1], width + self.pad[1])
                pixels = [
                    (h, w)
                    for h in range(max(top, 0), min(bottom, height))
                    for w in range(max(left, 0), min(right, width))
                ]
                yield (i, j), pixels, (bottom - top) * (right - left)


def planes(x: np.ndarray) -> Iterator[tuple[Pixel, np.ndarray]]:
    """(N, C, H, W): each channel of each image."""
    for n, image in enumerate(x):
        for c, plane in enumerate(image):
            yield (n, c), plane


def max_pooling(x: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, dict[tuple[int, ...], Pixel]]:
    """The maxima, and of each window the pixel that won: the first of the greatest."""
    y = np.zeros((*x.shape[:2], *geometry.positions(x.shape[2:])), x.dtype)
    switches: dict[tuple[int, ...], Pixel] = {}
    for place, plane in planes(x):
        for position, pixels, _divisor in geometry.windows(plane.shape):
            winner = pixels[0]
            for pixel in pixels:
                if plane[pixel] > plane[winner]:
                    winner = pixel
            y[(*place, *position)] = plane[winner]
            switches[(*place, *position)] = winner
    return y, switches


def max_pooling_gradient(signal: np.ndarray, switches: dict[tuple[int, ...], Pixel], shape: tuple) -> np.ndarray:
    """Everything to the winner; what several windows give to one pixel adds up."""
    gradient = np.zeros(shape, signal.dtype)
    for index, winner in switches.items():
        gradient[(*index[:2], *winner)] += signal[index]
    return gradient


def average_pooling(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    y = np.zeros((*x.shape[:2], *geometry.positions(x.shape[2:])), x.dtype)
    for place, plane in planes(x):
        for position, pixels, divisor in geometry.windows(plane.shape):
            for pixel in pixels:
                y[(*place, *position)] += plane[pixel]
            y[(*place, *position)] /= divisor
    return y


def average_pooling_gradient(signal: np.ndarray, geometry: Geometry, shape: tuple) -> np.ndarray:
    gradient = np.zeros(shape, signal.dtype)
    for place, plane in planes(gradient):
        for position, pixels, divisor in geometry.windows(plane.shape):
            for pixel in pixels:
                plane[pixel] += signal[(*place, *position)] / divisor
    return gradient
