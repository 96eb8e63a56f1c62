"""A small net with weights, pictures and arrays for the commands, and every kind of file that they must refuse."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thinktwice.caffe_models.definition import read_net
from thinktwice.caffe_models.weights import Weights
from thinktwice.caffe_models.writer import write_caffemodel, write_hdf5
from thinktwice.cli.main import main
from thinktwice.executor.load import load

NET = """name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 16 dim: 18 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool1" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
TRAIN_VAL = """name: "trained"
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { source: "x" batch_size: 7 } }
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST } data_param { source: "x" batch_size: 3 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
V1 = """name: "old" input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" convolution_param { num_output: 2 kernel_size: 3 } }
"""
LABELS = """n00000001 tench, Tinca tinca
n00000002 goldfish, Carassius auratus
n00000003 crane
n00000004 crane, lifting device
n00000005 African elephant, Loxodonta africana
"""


def layer(text: str) -> str:
    """The small net's input and one layer more."""
    return "\n".join(NET.splitlines()[:2]) + "\n" + text


DEFINITIONS = {
    "net": NET,
    "train_val": TRAIN_VAL,
    "v1": V1,
    "no_shape": NET.replace(" input_param { shape { dim: 2 dim: 3 dim: 16 dim: 18 } }", ""),
    "scores": "\n".join(line for line in NET.splitlines() if '"prob"' not in line),
    "wider": NET.replace("num_output: 5", "num_output: 6"),
    "renamed": NET.replace('"fc"', '"fc8"'),
    "shorter": "\n".join(line for line in NET.splitlines() if '"fc"' not in line),
    "five_channels": NET.replace("dim: 3 dim: 16", "dim: 5 dim: 16"),
    "two_inputs": layer('layer { name: "more" type: "Input" top: "more" input_param { shape { dim: 2 } } }'),
    "unknown_type": layer('layer { name: "p" type: "Poolin" bottom: "data" top: "p" }'),
    "unknown_field": layer(
        'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { kernel_sise: 2 } }'
    ),
    "unknown_value": layer('layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { pool: MAXX } }'),
    "unclosed": layer('layer { name: "p" type: "Pooling"'),
    "cycle": layer(
        'layer { name: "a" type: "ReLU" bottom: "b" top: "a" }\nlayer { name: "b" type: "ReLU" bottom: "a" top: "b" }'
    ),
    "no_bottom": layer('layer { name: "a" type: "ReLU" bottom: "dada" top: "a" }'),
    "top_twice": layer(
        'layer { name: "a" type: "ReLU" bottom: "data" top: "a" }\nlayer { name: "b" type: "ReLU" bottom: "data" top: "a" }'
    ),
    "name_twice": layer(
        'layer { name: "a" type: "ReLU" bottom: "data" top: "a" }\nlayer { name: "a" type: "ReLU" bottom: "a" top: "b" }'
    ),
    "zero_outputs": layer(
        'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { kernel_size: 3 } }'
    ),
    "too_large": layer(
        'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 1 kernel_size: 99 } }'
    ),
    "no_layers": 'name: "nothing"',
    "solver": 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed"',
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """All files, good and bad, in one folder."""
    folder = tmp_path_factory.mktemp("files")
    for name, text in DEFINITIONS.items():
        (folder / f"{name}.prototxt").write_text(text)
    _weights(folder)
    _arrays(folder)
    _pictures(folder)
    (folder / "labels.txt").write_text(LABELS)
    (folder / "plain.txt").write_text("one\ntwo, zwei\nthree\nfour\nfive\n")
    (folder / "three.txt").write_text("one\ntwo\nthree\n")
    (folder / "empty").write_bytes(b"")
    (folder / "latin1.txt").write_bytes("Köln\n".encode("latin-1"))
    return folder


def _weights(folder: Path) -> None:
    net, message = load(folder / "net.prototxt", seed=3, device="cpu"), read_net(folder / "net.prototxt")
    blobs = {name: tuple(np.array(array, np.float32) for array in arrays) for name, arrays in net.params.items()}
    weights = Weights("random", blobs)
    write_caffemodel(message, weights, folder / "net.caffemodel")
    write_hdf5(message, weights, folder / "net.caffemodel.h5")
    whole = (folder / "net.caffemodel").read_bytes()
    (folder / "truncated.caffemodel").write_bytes(whole[: len(whole) // 2])
    # One blob of a layer that claims 2^40 values and holds none.
    claim = bytes.fromhex("0a0163" + "3a0a" + "3a08" + "0a06" + "808080808020")
    (folder / "gigantic.caffemodel").write_bytes(bytes.fromhex("a206") + bytes([len(claim)]) + claim)


def _arrays(folder: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 50, (2, 3, 16, 18)).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.savez(folder / "x.npz", data=x)
    np.savez(folder / "other.npz", dada=x)
    np.save(folder / "flat.npy", x.reshape(2, -1))
    np.save(folder / "grey.npy", x[:, :1])
    np.save(folder / "small.npy", x[..., :9, :9])
    np.save(folder / "words.npy", np.array(["a", "b"]))
    np.save(folder / "complex.npy", x.astype(np.complex64))
    np.save(folder / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(folder / "nan.npy", np.where(x > 60, np.nan, x))
    np.save(folder / "mean.npy", np.full((3, 20, 20), 100.0, np.float32))
    np.save(folder / "mean5.npy", np.full((5,), 100.0))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**40, 3, 16, 18)})
    (folder / "gigantic.npy").write_bytes(header.getvalue())
    with zipfile.ZipFile(folder / "gigantic.npz", "w") as npz:
        npz.writestr("data.npy", header.getvalue())


def _pictures(folder: Path) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (24, 30, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    whole = (folder / "photo.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    claimed = bytearray(whole)
    claimed[16:24] = (60000).to_bytes(4, "big") * 2
    claimed[29:33] = zlib.crc32(claimed[12:29]).to_bytes(4, "big")
    (folder / "bomb.png").write_bytes(claimed)
    Image.fromarray(pixels.astype(np.float32)[..., 0]).save(folder / "float.tiff")


class Told:
    """What a command line answered."""

    def __init__(self, status: int, out: str, err: str):
        self.status, self.out, self.err = status, out, err

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(folder, capsys, monkeypatch):
    """Run a command line in the folder of files: a string is split at spaces."""
    monkeypatch.chdir(folder)

    def call(line: str | list[str]) -> Told:
        capsys.readouterr()
        status = main(line.split() if isinstance(line, str) else line)
        told = capsys.readouterr()
        return Told(status, told.out, told.err)

    return call
