"""Data layers and the files that they read, small enough to be made by each test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from google.protobuf import text_format
from PIL import Image

from thinktwice.caffe_models import schema
from thinktwice.solver.sources import Source, open_source

TYPES = {
    "Data": "data_param",
    "DummyData": "dummy_data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "MemoryData": "memory_data_param",
    "WindowData": "window_data_param",
}


def layer(kind: str, settings: str = "", transform: str = "", tops: str = "data label", more: str = "") -> Any:
    """A data layer: its own parameter's ``settings``, its ``transform_param``, and ``more`` fields."""
    message = schema.new("LayerParameter", name="data", type=kind, top=tops.split())
    text = more + (f" {TYPES[kind]} {{ {settings} }}" if settings else "")
    text += f" transform_param {{ {transform} }}" if transform else ""
    text_format.Parse(text, message)
    return message


def opened(message: Any, folder: Path, phase: str = "TRAIN", seed: int = 0) -> Source:
    return open_source(message, folder=folder, phase=phase, seed=seed, definition="train_val.prototxt")


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3), uint8, RGB."""
    return np.random.default_rng([seed, height, width]).integers(0, 256, (height, width, 3), np.uint8)


def blob(pixels: np.ndarray) -> np.ndarray:
    """An RGB picture as Caffe sees it: (3, H, W), BGR."""
    return pixels[..., ::-1].transpose(2, 0, 1)


def write_pictures(folder: Path, pictures: Mapping[str, np.ndarray]) -> None:
    for name, pixels in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)


def write_list(folder: Path, count: int, height: int = 4, width: int = 5) -> list[np.ndarray]:
    """``list.txt`` of pictures 0.png, 1.png ... labelled 0, 10, 20 ..., and their pixels."""
    pictures = [picture(height, width, seed) for seed in range(count)]
    write_pictures(folder, {f"{i}.png": pixels for i, pixels in enumerate(pictures)})
    (folder / "list.txt").write_text("".join(f"{i}.png {10 * i}\n" for i in range(count)))
    return pictures


def write_hdf5(path: Path, **data_sets: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        for name, array in data_sets.items():
            file[name] = array
