"""Caffe itself as a peer of the benchmarks, over its Python interface: forward passes and gradients to the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import caffe
import numpy as np

from thinktwice.caffe_models import schema
from thinktwice.caffe_models.writer import write_net_text
from thinktwice.errors import BadInput
from thinktwice.executor.device import Device, to_numpy

Ways = dict[str, Callable[[], Any]]

ERRORS = 2  # of glog's levels: what is below is not told

caffe.init_log(ERRORS)  # once in a process, or glog ends it


def version() -> str:
    return str(caffe.__version__)


def prepare(device: Device, threads: int) -> None:
    """Its threads are those of its BLAS, which reads their number from the environment as it is loaded."""
    if device.index is not None:
        raise BadInput(f"--against: found caffe on {device.name}, expected it on the cpu")
    caffe.set_mode_cpu()


def synchronise() -> None:
    """Its calls return when their results are there."""


def method_ways(job: Any) -> Ways:
    if job.method not in ("forward", "gradient") or not _known(job.net):
        return {}
    theirs = CaffeNet(job.net, {job.net.inputs[0]: job.image})
    if job.method == "forward":
        return {"caffe": lambda: theirs.forward(job.score)}
    signal = np.zeros_like(theirs.forward(job.score))
    signal[:, job.targets[0]] = 1

    def gradient() -> np.ndarray:
        theirs.forward(job.score)
        theirs.put({job.score: signal})
        return theirs.backward(job.score)

    return {"caffe": gradient}


def layer_ways(job: Any) -> Ways:
    """None where the layer writes over its bottom: a gradient would be taken of the last one."""
    if not _known(job.net) or set(job.tops) & set(job.inputs):
        return {}
    theirs = CaffeNet(job.net, job.inputs)
    if not job.signals:
        return {"caffe": lambda: theirs.forward(job.tops[0])}
    theirs.forward(job.tops[0])
    theirs.put({blob: to_numpy(signal) for blob, signal in job.signals.items()})
    return {"caffe": lambda: theirs.backward(job.tops[0])}


def kernel_ways(name: str, arrays: Mapping[str, Any]) -> Ways:
    return {}


class CaffeNet:
    """A net of ours as Caffe runs it: the same definition, the same weights, and ``inputs`` where it reads them."""

    def __init__(self, net: Any, inputs: Mapping[str, Any]):
        self._graph, self._bottom, self._net = net.graph, net.inputs[0], _read(_towards_the_input(net))
        for layer, arrays in net.params.items():
            for blob, array in zip(self._net.params[layer], arrays, strict=True):
                blob.data[...] = to_numpy(array).reshape(blob.data.shape)
        for name, array in inputs.items():
            self._net.blobs[name].reshape(*array.shape)
            self._net.blobs[name].data[...] = to_numpy(array)

    def forward(self, blob: str) -> np.ndarray:
        """All layers up to the one that makes ``blob``."""
        self._net.forward(end=self._maker(blob))
        return self._net.blobs[blob].data

    def put(self, signals: Mapping[str, np.ndarray]) -> None:
        """Where a walk back from these blobs begins."""
        for blob, signal in signals.items():
            self._net.blobs[blob].diff[...] = signal

    def backward(self, blob: str) -> np.ndarray:
        """The gradient of what was put at ``blob`` to the first input, after a forward pass."""
        self._net.backward(start=self._maker(blob))
        return self._net.blobs[self._bottom].diff

    def _maker(self, blob: str) -> str:
        graph = self._graph
        return graph.nodes[graph.makers[graph.final(blob)]].layer.name


def _known(net: Any) -> bool:
    """Whether Caffe has all layers: it ends the process where it meets another."""
    return {layer.type for layer in net.message.layer} <= set(caffe.layer_type_list())


def _towards_the_input(net: Any) -> Any:
    """The net's definition, asking for the gradient to the input and for none to weights."""
    message = schema.copy(net.message)
    message.force_backward = True
    for layer in message.layer:
        for number in range(len(net.params.get(layer.name, ()))):
            spec = layer.param[number] if number < len(layer.param) else layer.param.add()
            spec.lr_mult = 0
    return message


def _read(message: Any) -> Any:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "net.prototxt"
        write_net_text(message, path)
        return caffe.Net(str(path), caffe.TEST)
