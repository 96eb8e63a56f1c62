"""onnxruntime as a peer of the benchmarks: forward passes of the exported graph, with all of its optimisations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxruntime

from thinktwice.caffe_models.onnx_export import export_onnx, value_names
from thinktwice.executor.device import Device, to_numpy

Ways = dict[str, Callable[[], Any]]

_threads = 1
_providers = ["CPUExecutionProvider"]


def version() -> str:
    return onnxruntime.__version__


def prepare(device: Device, threads: int) -> None:
    global _threads, _providers
    _threads = threads
    _providers = ["CPUExecutionProvider"] if device.index is None else ["CUDAExecutionProvider"]


def synchronise() -> None:
    """Its calls return when their results are there."""


def method_ways(job: Any) -> Ways:
    return (
        {"onnxruntime": _forward(job.net, {job.net.inputs[0]: job.image}, job.score)} if job.method == "forward" else {}
    )


def layer_ways(job: Any) -> Ways:
    return {} if job.signals else {"onnxruntime": _forward(job.net, job.inputs, job.tops[0])}


def kernel_ways(name: str, arrays: dict[str, Any]) -> Ways:
    return {}


def _forward(net: Any, inputs: dict[str, Any], blob: str) -> Callable[[], Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = _threads, 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # nor do ours wait in a busy loop
    names, arrays = value_names(net.graph), {name: to_numpy(array) for name, array in inputs.items()}
    model = export_onnx(net, {name: array.shape for name, array in arrays.items()}, every_blob=True)
    output = names[net.graph.final(blob)]
    for other in [one for one in model.graph.output if one.name != output]:
        model.graph.output.remove(other)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=_providers)
    feed = {names[net.graph.inputs[name]]: array for name, array in arrays.items()}
    return lambda: session.run([output], feed)[0]
