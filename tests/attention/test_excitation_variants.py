"""What may be chosen about excitation backprop, each against a literal program for it; and nets that slide over images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.attention.excitation_variants import residual_branches
from thinktwice.caffe_models.definition import parse_net, read_net
from thinktwice.caffe_models.phases import for_state
from thinktwice.caffe_models.surgery import fully_convolutional
from thinktwice.caffe_models.weights import Weights
from thinktwice.errors import BadInput
from thinktwice.executor.graph import Graph
from thinktwice.executor.load import build

from ..nets import data, layer, make, relu
from ..oracles import correlation, small_net
from ..oracles import excitation as oracle
from ..oracles.correlation import Edge

TEXT, WEIGHTS = small_net.PROTOTXT, small_net.random_weights(0)
X = np.random.default_rng(0).normal(size=(2, 2, 5, 6))


def attend(method: str, at: str = "pool1", net: tt.Net | None = None, **options: Any) -> np.ndarray:
    """Maps (N, classes, H, W) of the small net."""
    return tt.attend(net or make(TEXT, WEIGHTS), X, range(small_net.CLASSES), method, at=at, **options).map


# -- normalise --------------------------------------------------------------------------------------------------------


def unnormalised(edges: Iterable[Edge], mass: np.ndarray, a: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """P_i = sum_j a_i w+_ij P_j."""
    out = np.zeros(a.shape)
    for above, below, weight in edges:
        out[below] += a[below] * max(weights[weight], 0) * mass[above]
    return out


@pytest.mark.parametrize("method", ["mwp", "c-mwp"])
def test_without_normalisation(method: str) -> None:
    blobs = small_net.forward(WEIGHTS, X)

    def at_pool1(classifier: np.ndarray, target: int) -> np.ndarray:
        mass = small_net.one_hot(len(X), target)
        mass = unnormalised(correlation.inner_product_edges(blobs["relu2"].shape, 4), mass, blobs["relu2"], classifier)
        edges = correlation.convolution_edges(blobs["pool1"].shape, WEIGHTS["conv2"][0].shape)
        return unnormalised(edges, mass, blobs["pool1"], WEIGHTS["conv2"][0]).sum(1)

    found = attend(method, normalise=False)
    for target in range(small_net.CLASSES):
        expected = at_pool1(WEIGHTS["fc"][0], target)
        if method == "c-mwp":
            expected = np.maximum(expected - at_pool1(-WEIGHTS["fc"][0], target), 0)
        assert expected.any()
        np.testing.assert_allclose(found[:, target], expected, rtol=1e-11, atol=1e-13)


def test_averages_and_sums_have_weights_too() -> None:
    """An average's weight is 1 over its divisor, a sum's its coefficient; maxima stay with the winner."""
    x = np.array([[[[1.0, 3.0], [2.0, 6.0]]]])
    text = data(1, 1, 2, 2) + layer("ave", "Pooling", "data", "pooling_param { pool: AVE kernel_size: 2 }")
    text += layer("max", "Pooling", "data", "pooling_param { kernel_size: 2 }")
    text += layer("sum", "Eltwise", "ave max", "eltwise_param { coeff: 2 coeff: 0.5 }")
    net = make(text + layer("top", "Convolution", "sum", "convolution_param { num_output: 1 kernel_size: 1 }"),
               {"top": ([[[[10]]]], [7])})  # fmt: skip
    # sum = 2 * 3 + 0.5 * 6 = 9 gets 9 * 10; ave 3 * 2 * 90, max 6 * 0.5 * 90; a pixel x of ave's x / 4
    found = tt.attend(net, x, 0, "mwp", at="data", normalise=False).map[0, 0]
    np.testing.assert_allclose(found, x[0, 0] / 4 * 540 + np.array([[0, 0], [0, 270]]), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # NumPy's own word, where no kernel runs
def test_a_mass_beyond_the_number_type_is_refused() -> None:
    conv = layer("c0", "Convolution", "data", "convolution_param { num_output: 1 kernel_size: 1 }")
    for depth in range(1, 6):
        conv += layer(f"c{depth}", "Convolution", f"c{depth - 1}", "convolution_param { num_output: 1 kernel_size: 1 }")
    weights = {f"c{depth}": ([[[[30.0]]]], [0]) for depth in range(6)}
    image = np.full((1, 1, 1, 1), 1e3)
    single, double = (make(data(1, 1, 1, 1) + conv, weights, dtype) for dtype in ("float32", "float64"))
    with pytest.raises(BadInput, match=r"normalise: found masses at 'data' beyond float32"):
        tt.attend(single, image, 0, "mwp", at="data", normalise=False)
    expected = np.prod([1e3 * 30.0**depth for depth in range(6)]) * 30.0**6
    assert expected > np.finfo(np.float32).max
    assert tt.attend(double, image, 0, "mwp", at="data", normalise=False).map.item() == pytest.approx(expected)


# -- variant ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalise", [True, False])
def test_post_norm_is_the_difference_of_two_maps_that_each_add_up_to_1(normalise: bool) -> None:
    """The dual's map by the oracle's sweep: the class's own with the classifier's weights negated, activations as they are."""
    blobs = small_net.forward(WEIGHTS, X)
    step = oracle.winners if normalise else unnormalised

    def at_pool1(classifier: np.ndarray, target: int) -> np.ndarray:
        mass = small_net.one_hot(len(X), target)
        mass = step(correlation.inner_product_edges(blobs["relu2"].shape, 4), mass, blobs["relu2"], classifier)
        mass = mass * (blobs["conv2"] > 0)
        edges = correlation.convolution_edges(blobs["pool1"].shape, WEIGHTS["conv2"][0].shape)
        return step(edges, mass, blobs["pool1"], WEIGHTS["conv2"][0]).sum(1)

    found = attend("c-mwp", variant="post-norm", normalise=normalise)
    for target in range(small_net.CLASSES):
        maps = [at_pool1(sign * WEIGHTS["fc"][0], target) for sign in (1, -1)]
        own, dual = (m / m.sum((1, 2), keepdims=True) for m in maps)
        np.testing.assert_allclose(found[:, target], np.maximum(own - dual, 0), rtol=1e-10, atol=1e-13)
    # no mass is lost down to pool1, so with normalisation each map adds up to 1 as it is
    assert np.allclose(found, attend("c-mwp", normalise=normalise)) == normalise


def test_an_empty_dual_leaves_the_map_as_it_is() -> None:
    positive = {**WEIGHTS, "fc": (abs(WEIGHTS["fc"][0]), WEIGHTS["fc"][1])}
    found = attend("c-mwp", net=make(TEXT, positive), variant="post-norm")
    own = attend("mwp", net=make(TEXT, positive))
    assert own.any((2, 3)).all()
    np.testing.assert_allclose(found, own / own.sum((2, 3), keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("method", ["mwp", "c-mwp"])
def test_the_defaults_are_the_paper(method: str) -> None:
    named = attend(method, normalise=True, eltwise="proportional", input="signed")
    assert np.array_equal(attend(method), named)
    assert np.array_equal(attend("c-mwp"), attend("c-mwp", variant="contrast"))


# -- eltwise ----------------------------------------------------------------------------------------------------------

CONV = "convolution_param {{ num_output: {} kernel_size: {} pad: {} bias_term: false }}"


def residual_net(order: str, projected: bool) -> str:
    """stem - (a - b, or the shortcut) - sum - ReLU - fc."""
    shortcut = "stem"
    text = data(2, 2, 5, 6) + layer("stem", "Convolution", "data", CONV.format(3, 3, 1)) + relu("stem")
    if projected:
        shortcut = "projection"
        text += layer("projection", "Convolution", "stem", CONV.format(3, 1, 0))
    text += layer("a", "Convolution", "stem", CONV.format(4, 1, 0)) + relu("a")
    text += layer("b", "Convolution", "a", CONV.format(3, 3, 1))
    text += layer("sum", "Eltwise", order.format(shortcut=shortcut)) + relu("sum")
    return text + layer("fc", "InnerProduct", "sum", "inner_product_param { num_output: 4 }")


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize("order", ["{shortcut} b", "b {shortcut}"])
def test_everything_goes_to_the_residual_branch(order: str, projected: bool) -> None:
    text = residual_net(order, projected)
    net = build(parse_net(text), seed=3, device="cpu", dtype="float64")
    assert residual_branches(net.graph) == {"sum": order.split().index("b")}
    fc = net.params["fc"][0]
    trace = net.forward(data=X)
    found = tt.attend(net, X, range(4), "mwp", at="a", eltwise="residual_only").map
    shortcut = tt.attend(net, X, 0, "mwp", at="stem", eltwise="residual_only").map
    for target in range(4):
        mass = oracle.winners(
            correlation.inner_product_edges(trace.shape("sum"), 4), small_net.one_hot(2, target), trace["sum"], fc
        )
        edges = correlation.convolution_edges(trace.shape("a"), net.params["b"][0].shape, pad=(1, 1))
        mass = oracle.winners(edges, mass, trace["a"], net.params["b"][0])
        np.testing.assert_allclose(found[:, target], mass.sum(1), rtol=1e-10, atol=1e-13)
        if target == 0:
            edges = correlation.convolution_edges(trace.shape("stem"), net.params["a"][0].shape)
            mass = oracle.winners(edges, mass, trace["stem"], net.params["a"][0])
            np.testing.assert_allclose(shortcut[:, 0], mass.sum(1), rtol=1e-10, atol=1e-13)
    assert found.any()
    if projected:
        with pytest.raises(BadInput, match="found no signal in this walk"):
            tt.attend(net, X, 0, "mwp", at="projection", eltwise="residual_only")


def test_branches_of_one_length_have_no_residual() -> None:
    text = data(2, 2, 5, 6) + layer("a", "Convolution", "data", CONV.format(3, 3, 1))
    text += layer("b", "Convolution", "data", CONV.format(3, 1, 0)) + layer("sum", "Eltwise", "a b")
    text += layer("fc", "InnerProduct", "sum", "inner_product_param { num_output: 4 }")
    net = build(parse_net(text), seed=0, device="cpu", dtype="float64")
    with pytest.raises(
        BadInput, match=r"layer 'sum' \(Eltwise\): eltwise 'residual_only': found branches of \[1, 1\] layers"
    ):
        tt.attend(net, X, 0, "mwp", at="a", eltwise="residual_only")
    assert tt.attend(net, X, 0, "mwp", at="a").map.any()


def test_resnet_50s_residual_branches(shared) -> None:
    graph = Graph(for_state(read_net(shared / "models" / "zoo_prototxt" / "resnet50_deploy.prototxt"), phase="TEST"))
    branches = residual_branches(graph)
    assert len(branches) == 16
    for name, bottom in branches.items():
        assert graph.nodes[graph.node(name)].layer.message.bottom[bottom] == f"{name}_branch2c"


# -- input ------------------------------------------------------------------------------------------------------------


def at_image(shift: bool) -> np.ndarray:
    """MWP of the small net at its image (N, classes, H, W), which may be shifted by its own minimum."""
    blobs, seen = small_net.forward(WEIGHTS, X), X.copy()
    for n in range(len(X)):
        seen[n] -= X[n].min() if shift else 0
    maps = []
    for target in range(small_net.CLASSES):
        (mass,) = oracle.inner_product(small_net.one_hot(len(X), target), [blobs["relu2"]], WEIGHTS["fc"][0])
        (mass,) = oracle.convolution(mass, [blobs["pool1"]], WEIGHTS["conv2"][0])
        mass = small_net.below_pool1(blobs, mass)
        (mass,) = oracle.convolution(mass, [seen], WEIGHTS["conv1"][0], pad=(1, 1))
        maps.append(mass.sum(1))
    return np.stack(maps, 1)


@pytest.mark.parametrize("policy", ["signed", "shift"])
def test_mass_at_a_signed_image(policy: str) -> None:
    found, expected = attend("mwp", "data", input=policy), at_image(policy == "shift")
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert (found < 0).any() == (policy == "signed")


def test_shifted_mass_is_all_there() -> None:
    """Not negative, and as much as there is above: no unit's inputs cancel."""
    above, below = attend("mwp", "conv1"), attend("mwp", "data", input="shift")
    np.testing.assert_allclose(below.sum((2, 3)), above.sum((2, 3)), rtol=1e-10)


def test_the_shift_passes_layers_without_weights() -> None:
    """A Power layer that subtracts a mean: the first layer with weights reads its top, which is as signed as the image."""
    text = TEXT.replace('bottom: "data" top: "conv1"', 'bottom: "centred" top: "conv1"')
    text = text.replace(
        'layer { name: "conv1"',
        layer("centred", "Power", "data", "power_param { shift: -3 }") + 'layer { name: "conv1"',
        1,
    )
    net = make(text, WEIGHTS)
    given = {"image": X + 3, "target": range(4), "method": "mwp", "at": "centred"}
    found = tt.attend(net, **given, input="shift").map
    np.testing.assert_allclose(found, attend("mwp", "data", input="shift"), rtol=1e-9, atol=1e-12)
    with pytest.raises(BadInput, match="found blob 'centred' signed"):
        tt.attend(net, **given, input="error")


def test_a_signed_image_may_be_refused() -> None:
    line = (
        r"layer 'conv1' \(Convolution\): input 'error': found blob 'data' signed, down to -2\.\d+, expected no negative"
    )
    for method in ("mwp", "c-mwp"):
        with pytest.raises(BadInput, match=line):
            attend(method, "data", input="error")
        assert np.array_equal(attend(method, input="error"), attend(method)), "above the image nothing is signed"
    bright = abs(X)
    found = [
        tt.attend(make(TEXT, WEIGHTS), bright, 1, "mwp", at="data", input=policy).map for policy in ("error", "signed")
    ]
    assert np.array_equal(*found)


# -- nets that slide over images --------------------------------------------------------------------------------------


def sliding() -> tt.Net:
    """The small net, its classifier a convolution."""
    net = make(TEXT, WEIGHTS)
    shapes = {blob: tuple(shape) for blob, shape in net.shapes().items()}
    message, weights = fully_convolutional(parse_net(TEXT), Weights("made.caffemodel", dict(WEIGHTS)), shapes)
    return build(message, weights, device="cpu", dtype="float64")


@pytest.mark.parametrize("method", ["mwp", "c-mwp"])
def test_on_an_image_of_its_own_size_a_sliding_net_has_the_plain_nets_map(method: str) -> None:
    net = sliding()
    assert net.shapes()["fc"] == (2, 4, 1, 1)
    np.testing.assert_allclose(attend(method, net=net), attend(method), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("method", ["mwp", "c-mwp"])
def test_on_a_larger_image_each_position_has_its_share(method: str) -> None:
    """The map is the mean of the maps from single positions, weighted by a softmax of the class's scores at them.

    At the classifier's input of a position lies the plain net's own map: the pixels that its window sees.
    """
    net, target = sliding(), 2
    large = np.random.default_rng(7).normal(size=(1, 2, 9, 12))
    scores = net.forward(data=large)["fc"][0, target]
    assert scores.shape == (3, 4)
    priors = np.exp(scores) / np.exp(scores).sum()
    expected = np.zeros((1, 1, *net.forward(data=large)["pool1"].shape[2:]))
    for i, j in np.ndindex(scores.shape):
        pool1 = net.forward(data=large)["pool1"][:, :, i : i + 3, j : j + 3]
        plain = make(TEXT, WEIGHTS)
        (own,) = walk_from(plain, pool1, target, contrast=method == "c-mwp")
        expected[0, 0, i : i + 3, j : j + 3] += priors[i, j] * own
    if method == "c-mwp":
        expected = np.maximum(expected, 0)
    found = tt.attend(net, large, target, method, at="pool1")
    np.testing.assert_allclose(found.map, expected, rtol=1e-10, atol=1e-13)
    assert found.scores.item() == scores.max()


def walk_from(net: tt.Net, pool1: np.ndarray, target: int, contrast: bool) -> np.ndarray:
    """Signed masses at a given pool1 of the plain net, channels added: (1, H, W)."""
    trace = net.forward({"pool1": pool1}, blobs=["fc"], rule="excitation", to=["pool1"])
    negated = tt.Net(
        net.graph, {**net.params, "fc": (-net.params["fc"][0], net.params["fc"][1])}, net.message, "float64"
    )
    own = net.backward(trace, {"fc": small_net.one_hot(1, target)}, "excitation", to=["pool1"])["pool1"].sum(1)
    if not contrast:
        return own
    dual = tt.Trace(negated.graph, dict(negated.params), trace.shapes)
    dual.values, dual.saved = trace.values, trace.saved
    return own - negated.backward(dual, {"fc": small_net.one_hot(1, target)}, "excitation", to=["pool1"])["pool1"].sum(
        1
    )
