"""Nets of the Model Zoo, written here, so that a benchmark needs no file: their layers' names and sizes, and nothing of training.

VGG16: Simonyan and Zisserman, 2014, table 1, D; GoogLeNet: Szegedy et al., 2014, table 1, as BVLC trained it; SqueezeNet
v1.0: Iandola et al., 2016, table 1. Each function returns the text of a prototxt for images of ``side`` x ``side``.
"""

from __future__ import annotations

INCEPTION = {  # name -> outputs of 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5, pool_proj
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
FIRE = ((2, 16, 64), (3, 16, 64), (4, 32, 128), (5, 32, 128), (6, 48, 192), (7, 48, 192), (8, 64, 256), (9, 64, 256))


def vgg16(side: int = 224) -> str:
    net = Text("VGG_ILSVRC_16_layers", side)
    for block, (outputs, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1):
        for number in range(1, depth + 1):
            net.convolution(f"conv{block}_{number}", f"relu{block}_{number}", outputs, kernel=3, pad=1)
        net.pooling(f"pool{block}", kernel=2, stride=2)
    for number in (6, 7):
        net.inner_product(f"fc{number}", 4096)
        net.relu(f"relu{number}")
        net.dropout(f"drop{number}")
    net.inner_product("fc8", 1000)
    return net.probabilities()


def googlenet(side: int = 224) -> str:
    net = Text("GoogleNet", side)
    net.convolution("conv1/7x7_s2", "conv1/relu_7x7", 64, kernel=7, stride=2, pad=3)
    net.pooling("pool1/3x3_s2", kernel=3, stride=2)
    net.lrn("pool1/norm1")
    net.convolution("conv2/3x3_reduce", "conv2/relu_3x3_reduce", 64)
    net.convolution("conv2/3x3", "conv2/relu_3x3", 192, kernel=3, pad=1)
    net.lrn("conv2/norm2")
    net.pooling("pool2/3x3_s2", kernel=3, stride=2)
    for name, outputs in INCEPTION.items():
        if name in ("4a", "5a"):
            net.pooling(f"pool{int(name[0]) - 1}/3x3_s2", kernel=3, stride=2)
        _inception(net, f"inception_{name}", outputs)
    net.pooling("pool5/7x7_s1", kernel=7, how="AVE")
    net.dropout("pool5/drop_7x7_s1")
    net.inner_product("loss3/classifier", 1000)
    return net.probabilities()


def _inception(net: Text, name: str, outputs: tuple[int, ...]) -> None:
    below, branches = net.top, []
    for branch, size, kernel in (
        ("1x1", 0, 1),
        ("3x3_reduce", 1, 1),
        ("3x3", 2, 3),
        ("5x5_reduce", 3, 1),
        ("5x5", 4, 5),
    ):
        bottom = net.top if branch in ("3x3", "5x5") else below
        net.convolution(
            f"{name}/{branch}", f"{name}/relu_{branch}", outputs[size], kernel=kernel, pad=kernel // 2, bottom=bottom
        )
        if not branch.endswith("reduce"):
            branches.append(net.top)
    net.pooling(f"{name}/pool", kernel=3, stride=1, pad=1, bottom=below)
    net.convolution(f"{name}/pool_proj", f"{name}/relu_pool_proj", outputs[5])
    net.concat(f"{name}/output", [*branches, net.top])


def squeezenet(side: int = 224) -> str:
    net = Text("SqueezeNet_v1.0", side)
    net.convolution("conv1", "relu_conv1", 96, kernel=7, stride=2)
    net.pooling("pool1", kernel=3, stride=2)
    for number, squeezed, expanded in FIRE:
        _fire(net, f"fire{number}", squeezed, expanded)
        if number in (4, 8):
            net.pooling(f"pool{number}", kernel=3, stride=2)
    net.dropout("drop9")
    net.convolution("conv10", "relu_conv10", 1000, pad=1)
    net.pooling("pool10", how="AVE")
    return net.probabilities()


def _fire(net: Text, name: str, squeezed: int, expanded: int) -> None:
    net.convolution(f"{name}/squeeze1x1", f"{name}/relu_squeeze1x1", squeezed)
    below, branches = net.top, []
    for kernel in (1, 3):
        branch = f"expand{kernel}x{kernel}"
        net.convolution(
            f"{name}/{branch}", f"{name}/relu_{branch}", expanded, kernel=kernel, pad=kernel // 2, bottom=below
        )
        branches.append(net.top)
    net.concat(f"{name}/concat", branches)


DEFINITIONS = {"vgg16": vgg16, "googlenet": googlenet, "squeezenet": squeezenet}


class Text:
    """A prototxt in the making; each layer reads ``top``, the last one's, unless told. ReLU and Dropout work in place."""

    def __init__(self, name: str, side: int):
        self.lines = [f'name: "{name}"']
        self.top = ""
        self._layer("data", "Input", (), input_param=f"shape {{ dim: 1 dim: 3 dim: {side} dim: {side} }}")

    def convolution(
        self, name: str, relu: str, outputs: int, kernel: int = 1, stride: int = 1, pad: int = 0, bottom: str = ""
    ) -> None:
        """A convolution, and a ReLU over it."""
        sizes = f"num_output: {outputs} kernel_size: {kernel} stride: {stride} pad: {pad}"
        self._layer(name, "Convolution", [bottom or self.top], convolution_param=sizes)
        self.relu(relu)

    def pooling(
        self, name: str, kernel: int = 0, stride: int = 1, pad: int = 0, how: str = "MAX", bottom: str = ""
    ) -> None:
        """Without a kernel, over the whole plane."""
        sizes = f"kernel_size: {kernel} stride: {stride} pad: {pad}" if kernel else "global_pooling: true"
        self._layer(name, "Pooling", [bottom or self.top], pooling_param=f"pool: {how} {sizes}")

    def inner_product(self, name: str, outputs: int) -> None:
        self._layer(name, "InnerProduct", [self.top], inner_product_param=f"num_output: {outputs}")

    def lrn(self, name: str) -> None:
        self._layer(name, "LRN", [self.top], lrn_param="local_size: 5 alpha: 0.0001 beta: 0.75")

    def concat(self, name: str, bottoms: list[str]) -> None:
        self._layer(name, "Concat", bottoms)

    def relu(self, name: str) -> None:
        self._layer(name, "ReLU", [self.top], self.top)

    def dropout(self, name: str) -> None:
        self._layer(name, "Dropout", [self.top], self.top)

    def probabilities(self) -> str:
        """The whole text, closed by a softmax."""
        self._layer("prob", "Softmax", [self.top])
        return "\n".join(self.lines) + "\n"

    def _layer(self, name: str, kind: str, bottoms: tuple[()] | list[str], top: str = "", **parameters: str) -> None:
        self.top = top or name
        reads = "".join(f' bottom: "{bottom}"' for bottom in bottoms)
        options = "".join(f" {field} {{ {text} }}" for field, text in parameters.items())
        self.lines.append(f'layer {{ name: "{name}" type: "{kind}"{reads} top: "{self.top}"{options} }}')
