"""Older definitions become V2, pass by pass as in Caffe's ``util/upgrade_proto.cpp``.

V0 -> V1, data transformation, V1 -> V2, input fields, batch normalization: each pass is a function that changes the net
given to it. Where Caffe warns and goes on without a setting, we refuse: nothing of a file is lost in silence.
"""

from __future__ import annotations

from typing import Any

from ..errors import BadInput, nearest
from . import schema


def upgraded_net(net: Any, source: str) -> Any:
    """A copy of a NetParameter of any age (without weights) as V2; errors name ``source`` and the layer."""
    net = schema.copy(net)
    if net.layer and net.layers:
        raise BadInput(
            f"{source}: holds both `layer` (V2, first: {net.layer[0].name!r}) and `layers` (V1, first: "
            f"{(net.layers[0].name or net.layers[0].layer.name)!r}), expected one of them"
        )
    if any(layer.HasField("layer") for layer in net.layers):
        _fold_v0_padding(net, source)
        _upgrade_v0_layers(net, source)
    _move_data_transformation(net)
    _upgrade_v1_layers(net, source)
    _replace_input_fields(net, source)
    _freeze_batch_norm(net)
    return net


def upgraded_solver(solver: Any, source: str) -> Any:
    """A copy of a SolverParameter whose older enum ``solver_type`` has become the string ``type``."""
    solver = schema.copy(solver)
    if solver.HasField("solver_type"):
        if solver.HasField("type"):
            raise BadInput(f"{source}: sets both `solver_type` and `type`, expected one of them")
        by_number = {number: name for name, number in schema.enum("SolverParameter.SolverType").items()}
        solver.type = SOLVER_TYPES[by_number[solver.solver_type]]
        solver.ClearField("solver_type")
    return solver


SOLVER_TYPES = {
    "SGD": "SGD", "NESTEROV": "Nesterov", "ADAGRAD": "AdaGrad", "RMSPROP": "RMSProp", "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}  # fmt: skip

# --- V0: one flat message for all layer types ---------------------------------------------------------------

V0_TYPES = {
    "accuracy": "ACCURACY", "bnll": "BNLL", "concat": "CONCAT", "conv": "CONVOLUTION", "data": "DATA",
    "dropout": "DROPOUT", "euclidean_loss": "EUCLIDEAN_LOSS", "flatten": "FLATTEN", "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT", "im2col": "IM2COL", "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS", "innerproduct": "INNER_PRODUCT", "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS", "pool": "POOLING", "relu": "RELU",
    "sigmoid": "SIGMOID", "softmax": "SOFTMAX", "softmax_loss": "SOFTMAX_LOSS", "split": "SPLIT", "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}  # fmt: skip

# Where a V0 setting goes: to the V1 message of the type ...
V0_PARAMS = {
    "conv": "convolution_param", "innerproduct": "inner_product_param", "pool": "pooling_param",
    "dropout": "dropout_param", "lrn": "lrn_param", "concat": "concat_param", "data": "data_param",
    "hdf5_data": "hdf5_data_param", "images": "image_data_param", "window_data": "window_data_param",
    "infogain_loss": "infogain_loss_param",
}  # fmt: skip
# ... under this name, for these types.
V0_FIELDS = {
    "num_output": ("num_output", "conv innerproduct"),
    "biasterm": ("bias_term", "conv innerproduct"),
    "weight_filler": ("weight_filler", "conv innerproduct"),
    "bias_filler": ("bias_filler", "conv innerproduct"),
    "pad": ("pad", "conv pool"),
    "kernelsize": ("kernel_size", "conv pool"),
    "group": ("group", "conv"),
    "stride": ("stride", "conv pool"),
    "pool": ("pool", "pool"),
    "dropout_ratio": ("dropout_ratio", "dropout"),
    "local_size": ("local_size", "lrn"),
    "alpha": ("alpha", "lrn"),
    "beta": ("beta", "lrn"),
    "k": ("k", "lrn"),
    "source": ("source", "data hdf5_data images window_data infogain_loss"),
    "batchsize": ("batch_size", "data hdf5_data images window_data"),
    "rand_skip": ("rand_skip", "data images"),
    "shuffle_images": ("shuffle", "images"),
    "new_height": ("new_height", "images"),
    "new_width": ("new_width", "images"),
    "concat_dim": ("concat_dim", "concat"),
    "det_fg_threshold": ("fg_threshold", "window_data"),
    "det_bg_threshold": ("bg_threshold", "window_data"),
    "det_fg_fraction": ("fg_fraction", "window_data"),
    "det_context_pad": ("context_pad", "window_data"),
    "det_crop_mode": ("crop_mode", "window_data"),
}
V0_TRANSFORM = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}


def _fold_v0_padding(net: Any, source: str) -> None:
    """A V0 ``padding`` layer becomes the ``pad`` of the convolution or pooling layers that read its top."""
    maker: dict[str, Any] = {}
    kept = []
    for connection in net.layers:
        layer = connection.layer
        for index, bottom in enumerate(connection.bottom):
            padding = maker.get(bottom)
            if padding is None or padding.layer.type != "padding":
                continue
            where = f"{source}: layer {layer.name!r}"
            if layer.type not in ("conv", "pool"):
                raise BadInput(f"{where}: type {layer.type!r} reads padding layer {padding.layer.name!r}, "
                               "which only conv and pool can")  # fmt: skip
            if len(connection.bottom) != 1 or len(padding.bottom) != 1 or len(padding.top) != 1:
                raise BadInput(f"{where}: it and padding layer {padding.layer.name!r} must have one bottom and one top")
            layer.pad = padding.layer.pad
            connection.bottom[index] = padding.bottom[0]
        maker.update(dict.fromkeys(connection.top, connection))
        if layer.type != "padding":
            kept.append(connection)
    kept = [schema.copy(connection) for connection in kept]  # before their net lets go of them
    del net.layers[:]
    net.layers.extend(kept)


def _upgrade_v0_layers(net: Any, source: str) -> None:
    for connection in net.layers:
        v0 = schema.copy(connection.layer)
        where = f"{source}: layer {v0.name or connection.name!r}"
        if not connection.HasField("layer"):
            raise BadInput(f"{where}: is V1 among V0 layers, expected `layer {{ ... }}` inside")
        beside = [f.name for f, _ in connection.ListFields() if f.name not in ("bottom", "top", "layer")]
        if beside:
            raise BadInput(f"{where}: {', '.join(beside)} beside a V0 `layer`, where only bottom and top can be")
        if v0.type not in V0_TYPES:
            raise BadInput(f"{where}: unknown V0 type {v0.type!r}{nearest(v0.type, V0_TYPES)}")
        connection.ClearField("layer")
        _upgrade_v0_layer(v0, connection, where)


def _upgrade_v0_layer(v0: Any, v1: Any, where: str) -> None:
    for field, value in v0.ListFields():
        name = field.name
        if name == "name":
            v1.name = value
        elif name == "type":
            v1.type = schema.enum("V1LayerParameter.LayerType")[V0_TYPES[value]]
        elif name in ("blobs_lr", "weight_decay"):
            getattr(v1, name).extend(value)
        elif name in V0_TRANSFORM:
            setattr(v1.transform_param, V0_TRANSFORM[name], value)
        elif name == "hdf5_output_param" and v0.type == "hdf5_output":
            v1.hdf5_output_param.CopyFrom(value)
        elif name in V0_FIELDS and v0.type in V0_FIELDS[name][1].split():
            _put(getattr(v1, V0_PARAMS[v0.type]), V0_FIELDS[name][0], value)
        else:
            raise BadInput(f"{where}: `{name}` means nothing to a V0 layer of type {v0.type!r}")


def _put(message: Any, name: str, value: Any) -> None:
    """Set a field, whether it is one message, a row (convolution's pad, kernel_size, stride) or a number."""
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.message_type is not None:
        getattr(message, name).CopyFrom(value)
    elif field.is_repeated:
        getattr(message, name).append(value)
    else:
        setattr(message, name, value)


# --- V1: an enum for the type -------------------------------------------------------------------------------

V1_TYPES = {
    "NONE": "", "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL", "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution", "DECONVOLUTION": "Deconvolution",
    "DATA": "Data", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData", "EUCLIDEAN_LOSS": "EuclideanLoss",
    "ELTWISE": "Eltwise", "EXP": "Exp", "FLATTEN": "Flatten", "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output", "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col", "IMAGE_DATA": "ImageData", "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN", "MEMORY_DATA": "MemoryData", "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss", "MVN": "MVN",
    "POOLING": "Pooling", "POWER": "Power", "RELU": "ReLU", "RELUPLUS": "ReLU", "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss", "SILENCE": "Silence", "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split", "SLICE": "Slice", "TANH": "TanH", "WINDOW_DATA": "WindowData",
    "THRESHOLD": "Threshold",
}  # fmt: skip

# V1 lists one number per blob; V2 has one ParamSpec per blob.
V1_SPECS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}


def _move_data_transformation(net: Any) -> None:
    """Scale, mean, crop and mirror move from a V1 data layer's own parameters to ``transform_param``."""
    of_type = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
    types = schema.enum("V1LayerParameter.LayerType")
    of_number = {types[name]: param for name, param in of_type.items()}
    for layer in net.layers:
        if layer.type not in of_number:
            continue
        own = getattr(layer, of_number[layer.type])
        for name in ("scale", "mean_file", "crop_size", "mirror"):
            if own.HasField(name):
                setattr(layer.transform_param, name, getattr(own, name))
                own.ClearField(name)


def _upgrade_v1_layers(net: Any, source: str) -> None:
    names = {number: name for name, number in schema.enum("V1LayerParameter.LayerType").items()}
    for v1 in net.layers:
        type_name = names[v1.type]
        if not V1_TYPES[type_name]:
            raise BadInput(f"{source}: layer {v1.name!r}: has no type")
        layer = net.layer.add(name=v1.name, type=V1_TYPES[type_name])
        for field, value in v1.ListFields():
            if field.name in V1_SPECS:
                _upgrade_specs(layer, V1_SPECS[field.name], value)
            elif field.name not in ("name", "type"):
                _copy_field(layer, field, value)
        if type_name == "RELUPLUS":
            _add_gate(net, layer)
    net.ClearField("layers")


def _upgrade_specs(layer: Any, name: str, values: Any) -> None:
    for index, value in enumerate(values):
        spec = layer.param[index] if index < len(layer.param) else layer.param.add()
        setattr(spec, name, value)


def _copy_field(layer: Any, field: Any, value: Any) -> None:
    if field.is_repeated:
        getattr(layer, field.name).extend(value)
    else:
        getattr(layer, field.name).CopyFrom(value)


def _add_gate(net: Any, relu: Any) -> None:
    """The feedback authors' RELUPLUS: a ReLU and, in place behind it, a gate. All gates open, it is the ReLU alone."""
    gate = net.layer.add(name=f"{relu.name}_feedback", type="Feedback", bottom=relu.top, top=relu.top)
    gate.include.extend(relu.include)
    gate.exclude.extend(relu.exclude)


# --- V2, early forms ----------------------------------------------------------------------------------------


def _replace_input_fields(net: Any, source: str) -> None:
    """``input`` with ``input_shape`` or ``input_dim`` becomes one Input layer "input", first in the net.

    Older .caffemodels name their inputs without any shape. Caffe drops these; an Input layer without a shape says as
    much, and leaves no layer with a bottom from nowhere.
    """
    inputs, shapes, dims = list(net.input), [list(shape.dim) for shape in net.input_shape], list(net.input_dim)
    if shapes and dims:
        raise BadInput(f"{source}: gives both input_shape and input_dim, expected one of them")
    if dims:
        if len(dims) != 4 * len(inputs):
            raise BadInput(f"{source}: {len(inputs)} inputs need {4 * len(inputs)} input_dim, found {len(dims)}")
        shapes = [dims[start : start + 4] for start in range(0, len(dims), 4)]
    elif shapes and len(shapes) != len(inputs):
        raise BadInput(f"{source}: {len(inputs)} inputs need as many input_shape, found {len(shapes)}")
    for name in ("input", "input_shape", "input_dim"):
        net.ClearField(name)
    if not inputs:
        return
    layer = schema.new("LayerParameter", name="input", type="Input", top=inputs)
    for shape in shapes:
        layer.input_param.shape.add(dim=shape)
    net.CopyFrom(schema.with_layers(net, [layer, *net.layer]))


def _freeze_batch_norm(net: Any) -> None:
    """BatchNorm's three blobs are statistics: older files declare them as learnable, none of them may learn."""
    for layer in net.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            for spec in layer.param:
                spec.lr_mult = spec.decay_mult = 0
