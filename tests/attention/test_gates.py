"""Where gates stand, and passes through nets that have them: recomputed and frozen, for many images and targets at once."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

import thinktwice as tt
from thinktwice.attention import gated_net
from thinktwice.attention.gated_net import insert_feedback
from thinktwice.attention.gates import Gated
from thinktwice.attention.methods import METHODS
from thinktwice.attention.soft_gates import GateStep, SoftGates
from thinktwice.errors import BadInput
from thinktwice.executor.graph import Graph
from thinktwice.executor.net import Net
from thinktwice.layers import layer_class
from thinktwice.layers.feedback import AtGates, gate_gradient

from ..executor import watch
from ..nets import data, layer, make, relu
from .gated_nets import TARGETS, N, frozen_forward, gated, of_target, random_image, random_net, recomputed_forward

K = TARGETS.shape[1]
FAMILY = ("feedback", "feedback-hard", "gp", "fsp", "fr", "fsp-fr", "summation")
WITH_MODES = ("fsp", "fr", "fsp-fr", "summation")
# lambda of global perception is named: its default is made for real maps, and on planes of 4 x 4 it drives gates to and fro
# until the last digit of an SVD decides
NAMED = {"gp": {"rank_weight": 1.0}}
ASKED: list[tuple[str, dict]] = [(method, NAMED.get(method, {})) for method in FAMILY] + [
    (method, {"mode": "demo"}) for method in WITH_MODES
]


def layers_of(net: Net) -> list[tuple[str, str]]:
    return [(node.layer.name, node.layer.type) for node in net.graph.nodes]


# -- insert_feedback --------------------------------------------------------------------------------------------------------

TWO = (
    data(2, 3, 5, 4)
    + layer("c", "Convolution", "data", "convolution_param { num_output: 2 kernel_size: 1 }") + relu("c")
    + layer("f", "InnerProduct", "c", "inner_product_param { num_output: 3 }")
    + layer("d", "Dropout", "f", top="f")
    + layer("relu_f", "ReLU", "f", top="g")
    + layer("s", "InnerProduct", "g", "inner_product_param { num_output: 2 }")
)  # fmt: skip


def random_weights(seed: int = 0, **shapes: tuple[int, ...]) -> dict[str, tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(seed)
    return {name: (rng.normal(size=shape), rng.normal(size=shape[0])) for name, shape in shapes.items()}


def two() -> Net:
    return make(TWO, random_weights(c=(2, 3, 1, 1), f=(3, 40), s=(2, 3)))


def test_a_net_gets_its_gates_once_and_leaves_none_behind() -> None:
    net = two()
    with_gates = gated_net.with_gates(net, "all")
    assert gated_net.with_gates(net, "all") is with_gates
    assert gated_net.with_gates(two(), "all") is not with_gates
    for times in range(2 * gated_net.KEPT):
        gated_net.with_gates(net, ("relu_c",) * (times + 1))
    assert len(gated_net._gated[net]) <= gated_net.KEPT
    left = weakref.ref(with_gates)
    del net, with_gates
    gc.collect()
    assert left() is None


def test_a_gate_stands_over_every_relu_in_place_or_not() -> None:
    net = insert_feedback(two(), "all")
    inner = [entry for entry in layers_of(net) if entry[0] not in dict(layers_of(two()))]
    assert inner == [
        ("relu_c_gates", "Input"), ("relu_c_feedback", "Feedback"), ("relu_f_gates", "Input"), ("relu_f_feedback", "Feedback"),
    ]  # fmt: skip
    for name, blob in (("relu_c", "c"), ("relu_f", "g")):
        relu_node, gate = net.graph.nodes[net.graph.node(name)], net.graph.nodes[net.graph.node(f"{name}_feedback")]
        assert gate.bottoms == (relu_node.tops[0], net.graph.final(f"{name}_gates"))
        assert gate.tops[0] == net.graph.final(blob)


def test_where_conv_spares_what_fully_connected_layers_feed() -> None:
    assert ("relu_f_feedback", "Feedback") not in layers_of(insert_feedback(two(), "conv"))
    assert ("relu_c_feedback", "Feedback") in layers_of(insert_feedback(two(), "conv"))


def test_where_names_relus() -> None:
    added = set(dict(layers_of(insert_feedback(two(), ["relu_f"])))) - set(dict(layers_of(two())))
    assert added == {"relu_f_gates", "relu_f_feedback"}
    assert layers_of(insert_feedback(two(), [])) == layers_of(two())


@pytest.mark.parametrize("where", ["relu_c", "fc", ["relu_c", "c"], ["nope"]])
def test_unknown_places_are_refused(where: object) -> None:
    with pytest.raises(BadInput, match="where: found"):
        insert_feedback(two(), where)  # type: ignore[arg-type]


def test_weights_are_shared_and_the_net_stays_as_it_is() -> None:
    net = two()
    before = layers_of(net)
    other = insert_feedback(net)
    assert layers_of(net) == before
    for name, arrays in net.params.items():
        assert all(np.shares_memory(a, b) for a, b in zip(arrays, other.params[name], strict=True))
    assert (other.dtype, other.name, other.device.name) == (net.dtype, net.name, net.device.name)


def test_gates_that_the_prototxt_has_are_not_doubled() -> None:
    text = TWO.replace(relu("c"), relu("c") + layer("think", "Feedback", "c", top="c"))
    net = insert_feedback(make(text, random_weights(c=(2, 3, 1, 1), f=(3, 40), s=(2, 3))))
    kinds = [name for name, kind in layers_of(net) if kind == "Feedback"]
    assert kinds == ["think", "relu_f_feedback"]
    assert net.graph.nodes[net.graph.node("think")].layer.message.bottom == ["c", "think_gates"]
    twice = insert_feedback(net)
    assert layers_of(twice) == layers_of(net)


def test_an_earlier_version_of_a_gated_blob_gets_its_own_gate() -> None:
    """Two ReLUs in place on one blob, the second with a gate of the prototxt's."""
    text = data(1, 2, 3, 4) + relu("data") + layer("p", "Power", "data", "power_param { shift: -1 }", top="data")
    text += layer("again", "ReLU", "data", top="data") + layer("gate", "Feedback", "data", top="data")
    kinds = [name for name, kind in layers_of(insert_feedback(make(text))) if kind == "Feedback"]
    assert kinds == ["relu_data_feedback", "gate"]


V1 = """
name: "v1" input: "data" input_dim: 1 input_dim: 2 input_dim: 6 input_dim: 5
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" convolution_param { num_output: 3 kernel_size: 3 } }
layers { name: "relu1" type: RELUPLUS bottom: "conv1" top: "conv1" }
layers { name: "pool1" type: POOLING bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layers { name: "fc6" type: INNER_PRODUCT bottom: "pool1" top: "fc6" inner_product_param { num_output: 4 } }
layers { name: "relu6" type: RELUPLUS bottom: "fc6" top: "fc6" }
layers { name: "fc8" type: INNER_PRODUCT bottom: "fc6" top: "fc8" inner_product_param { num_output: 3 } }
layers { name: "prob" type: SOFTMAX bottom: "fc8" top: "prob" }
"""


@pytest.mark.parametrize("method", FAMILY)
def test_a_v1_net_of_the_authors_fork_is_the_same_net_with_gates_of_ours(method: str) -> None:
    weights = random_weights(conv1=(3, 2, 3, 3), fc6=(4, 12), fc8=(3, 4))
    image = np.random.default_rng(1).normal(size=(2, 2, 6, 5))
    theirs, ours = make(V1, weights), make(V1.replace("RELUPLUS", "RELU"), weights)
    assert ("relu1_feedback", "Feedback") in layers_of(theirs)
    assert ("relu1_feedback", "Feedback") not in layers_of(ours)
    a, b = (
        tt.attend(net, image, [0, 2], method, **({"where": "all"} if method != "fr" else {})) for net in (theirs, ours)
    )
    np.testing.assert_array_equal(a.map, b.map)
    assert list(a.gates) == list(b.gates) == ["relu1", "relu6"]


def test_nets_with_nothing_to_gate_are_refused() -> None:
    net = make(
        data(1, 2, 3, 4) + layer("f", "InnerProduct", "data", "inner_product_param { num_output: 2 }"),
        random_weights(f=(2, 24)),
    )
    for method in FAMILY:
        with pytest.raises(BadInput, match="score 'f': found no ReLU below it to put a gate on"):
            tt.attend(net, np.ones((2, 3, 4)), 0, method)


# -- passes --------------------------------------------------------------------------------------------------------------------


def gates_at_random(of: Gated, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {gate: rng.random(z.shape) * (rng.random(z.shape) < 0.7) for gate, z in of.open().items()}


def differences(forward, image: np.ndarray, target: np.ndarray, score: str, h: float = 1e-6) -> np.ndarray:
    """The derivative of each image's target score, at a few pixels: NaN elsewhere."""
    found = np.full(image.shape, np.nan)
    for place in list(np.ndindex(image.shape[1:]))[::13]:
        sides = []
        for step in (h, -h):
            moved = image.copy()
            moved[(slice(None), *place)] += step
            sides.append(forward(moved)[score][np.arange(len(image)), target])
        found[(slice(None), *place)] = (sides[0] - sides[1]) / (2 * h)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_recomputed_passes_are_the_gated_net(seed: int) -> None:
    """Scores, activations and gradients, soft gates, for every target; nets with branches that no gate reaches among them."""
    net, image = random_net(seed), random_image(seed)
    of = gated(net, image)
    gates = gates_at_random(of, seed)
    passed = of.recomputed(gates)
    scores, x, at_image = passed.scores(), passed.activations(), passed.to_image()
    for k in range(K):
        z = of_target(gates, k)
        blobs = recomputed_forward(net, image, z)
        np.testing.assert_allclose(scores[k], blobs["fc2"], rtol=1e-12)
        for gate in gates:
            np.testing.assert_allclose(x[gate][k], blobs[gate.removesuffix("_gates")], rtol=1e-12, atol=1e-12)
        expected = differences(lambda moved, z=z: recomputed_forward(net, moved, z), image, TARGETS[:, k], "fc2")
        known = ~np.isnan(expected)
        np.testing.assert_allclose(at_image[k][known], expected[known], rtol=1e-5, atol=1e-5 * abs(at_image).max())


@pytest.mark.parametrize("seed", range(8))
def test_gradients_at_gates_are_the_scores_own(seed: int) -> None:
    """dS/dz of the recomputed net, by differences at a few gates of each layer."""
    net, image = random_net(seed), random_image(seed)
    of = gated(net, image)
    gates, h = (
        {gate: z + 0.1 for gate, z in gates_at_random(of, seed).items()},
        1e-6,
    )  # at 0 a maximum may have its kink
    found = {gate: z.copy() for gate, z in gates.items()}

    def take_gradient(at: AtGates, moved: np.ndarray, options: Mapping[str, Any]) -> np.ndarray | None:
        down, gradient, _ = gate_gradient(at)
        at.z[...] = gradient
        return down

    SoftGates(of).move(of.recomputed(found), GateStep.of(take_gradient, {}))
    k, rng = 1, np.random.default_rng(seed)
    for gate, gradient in found.items():
        place = tuple(int(rng.integers(n)) for n in gradient.shape[2:])
        sides = []
        for step in (h, -h):
            moved = {name: z[k].copy() for name, z in gates.items()}
            moved[gate][(slice(None), *place)] += step
            blobs = recomputed_forward(net, image, {name.removesuffix("_gates"): z for name, z in moved.items()})
            sides.append(blobs["fc2"][np.arange(N), TARGETS[:, k]])
        expected = (sides[0] - sides[1]) / (2 * h)
        np.testing.assert_allclose(
            gradient[(k, slice(None), *place)], expected, rtol=1e-5, atol=1e-6 * abs(gradient).max()
        )


@pytest.mark.parametrize("seed", range(6))
def test_frozen_passes_are_the_gradient_of_the_linear_net(seed: int) -> None:
    net, image = random_net(seed), random_image(seed)
    of, first = gated(net, image), net.forward(data=image)
    gates = gates_at_random(of, seed)
    at_image = of.frozen(gates).to_image()
    for k in range(K):
        z = of_target(gates, k)
        expected = differences(
            lambda moved, z=z: frozen_forward(net, first, moved, z), image, TARGETS[:, k], "fc2", h=0.5
        )
        known = ~np.isnan(expected)
        np.testing.assert_allclose(at_image[k][known], expected[known], rtol=1e-9, atol=1e-9 * abs(at_image).max())


@pytest.mark.parametrize(("method", "options"), ASKED, ids=str)
def test_many_targets_and_images_are_one_at_a_time(method: str, options: dict) -> None:
    for seed in (0, 5):
        net, image = random_net(seed), random_image(seed)
        together = tt.attend(net, image, TARGETS, method, **options)
        for n, k in np.ndindex(N, K):
            alone = tt.attend(net, image[n], int(TARGETS[n, k]), method, **options)
            np.testing.assert_allclose(together.map[n, k], alone.map[0, 0], rtol=1e-9, atol=1e-9 * abs(alone.map).max())
            assert list(together.gates) == list(alone.gates)
            for name, z in alone.gates.items():
                assert np.array_equal(together.gates[name][n, k], z[0, 0])
            np.testing.assert_allclose(together.curve[-1, n, k], alone.curve[-1, 0, 0], rtol=1e-9)
            np.testing.assert_allclose(together.curve[0, n, k], alone.curve[0, 0, 0], rtol=1e-9)


def test_branches_from_one_unchanged_blob() -> None:
    """As in nets of dense or pre-activated blocks: p is joined as it is with what a gate lets through of it."""
    text = data(2, 3, 5, 6) + layer("p", "Pooling", "data", "pooling_param { kernel_size: 2 stride: 1 }")
    text += (
        layer("shift", "Power", "p", "power_param { shift: -0.2 scale: 2 }")
        + relu("shift")
        + layer("all", "Concat", "p shift")
    )
    text += layer("c", "Convolution", "all", "convolution_param { num_output: 4 kernel_size: 2 }") + relu("c")
    text += layer("fc2", "InnerProduct", "c", "inner_product_param { num_output: 5 }")
    net, image = (
        make(text, random_weights(c=(4, 6, 2, 2), fc2=(5, 48))),
        np.random.default_rng(0).normal(size=(2, 3, 5, 6)),
    )
    of = gated(net, image)
    gates = gates_at_random(of, 0)
    at_image = of.recomputed(gates).to_image()
    for k in range(K):
        z = of_target(gates, k)
        expected = differences(lambda moved, z=z: recomputed_forward(net, moved, z), image, TARGETS[:, k], "fc2")
        known = ~np.isnan(expected)
        np.testing.assert_allclose(at_image[k][known], expected[known], rtol=1e-6, atol=1e-7)
    for method in FAMILY:
        assert tt.attend(net, image, TARGETS, method).map.shape == (2, 3, 5, 6)


@pytest.mark.parametrize("method", FAMILY)
def test_other_targets_do_not_matter(method: str) -> None:
    net, image = random_net(3), random_image(3)
    found = tt.attend(net, image, [2, 4, 2], method).map
    np.testing.assert_allclose(found[:, 0], found[:, 2], rtol=1e-12)
    assert not np.allclose(found[:, 0], found[:, 1])


def counted(monkeypatch: pytest.MonkeyPatch, kind: str, method: str) -> Counter[str]:
    """How often each layer of a type does something, in nets that are yet to be made as well."""
    made, calls = layer_class(kind), Counter[str]()
    original = getattr(made, method)

    def counting(self, *arguments, **options):
        calls[self.name] += 1
        return original(self, *arguments, **options)

    monkeypatch.setattr(made, method, counting)
    return calls


@pytest.mark.parametrize("method", FAMILY)
def test_nothing_below_the_lowest_gates_runs_twice(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, image = random_net(2), random_image(2)
    forward = counted(monkeypatch, "Convolution", "forward")
    backward = counted(monkeypatch, "Convolution", "gradient")
    options = {"iterations": 4} if method not in ("fr", "summation", "fsp-fr") else {}
    tt.attend(net, image, TARGETS, method, **options)
    assert forward["c1"] == 1
    assert forward["left"] > 1
    assert backward["c1"] == {"feedback-hard": 4, "summation": 0}.get(method, 1)


def test_passes_start_at_the_lowest_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    net, image = random_net(0), random_image(0)
    of = gated(net, image, where="all")
    assert of.first is of.first
    called = watch.calls(monkeypatch, of.net, "forward")
    of.recomputed(of.open())
    assert called[0] == "relu_c1_feedback"
    assert not {"c1", "relu_c1"} & set(called)
    called.clear()
    of.frozen(of.open()).contributions()
    assert called == []


@pytest.mark.parametrize("names", [["relu_left"], ["relu_right"], ["relu_left", "relu_right"], ["relu_fc1"]])
def test_branches_without_gates_are_kept_from_the_first_pass(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A gated and an ungated branch meet: only what lies above a gate is computed again, and scores are the gated net's."""
    for seed in range(6):
        net, image = random_net(seed), random_image(seed)
        of = gated(net, image, where=names)  # type: ignore[arg-type]
        gates = gates_at_random(of, seed)
        first = of.first
        called = watch.calls(monkeypatch, of.net, "forward")
        passed = of.recomputed(gates)
        assert not {"c1", "p1", "left", "right"} & set(called)
        at_image = passed.to_image()
        for k in range(K):
            z = of_target(gates, k)
            np.testing.assert_allclose(passed.scores()[k], recomputed_forward(net, image, z)["fc2"], rtol=1e-12)
            expected = differences(
                lambda moved, z=z, net=net: recomputed_forward(net, moved, z), image, TARGETS[:, k], "fc2"
            )
            known = ~np.isnan(expected)
            np.testing.assert_allclose(at_image[k][known], expected[known], rtol=1e-5, atol=1e-5 * abs(at_image).max())
        assert first is of.first


FIRST = {
    "LRN": layer("n", "LRN", "data", "lrn_param { local_size: 3 alpha: 1 }"),
    "Pooling": layer("n", "Pooling", "data", "pooling_param { kernel_size: 2 stride: 1 }"),
    "ReLU": layer("n", "ReLU", "data"),
    "in place": layer("n_", "ReLU", "data", top="data") + layer("n", "Power", "data", "power_param { shift: 1 }"),
}


@pytest.mark.parametrize("method", FAMILY)
@pytest.mark.parametrize("kind", FIRST)
def test_other_first_layers(kind: str, method: str) -> None:
    """With all gates open from the start and none to close, methods give what plain walks do."""
    text = data(2, 3, 5, 6) + FIRST[kind]
    text += layer("c", "Convolution", "n", "convolution_param { num_output: 4 kernel_size: 2 }") + relu("c")
    text += layer("f", "InnerProduct", "c", "inner_product_param { num_output: 3 }")
    size = 3 * 4 if kind == "Pooling" else 4 * 5
    net = make(text, random_weights(c=(4, 3, 2, 2), f=(3, 4 * size)))
    image = np.random.default_rng(2).normal(size=(2, 3, 5, 6))
    found = tt.attend(net, image, [0, 2], method)
    assert found.map.shape == (2, 2, 5, 6)
    assert np.isfinite(found.map).all()
    equal: dict[str, tuple[str, dict]] = {"feedback": ("gradient", {"iterations": 0}), "gp": ("guided", {"iterations": 0}), "fr": ("guided", {"reduce": "max_abs"}),
             "feedback-hard": ("guided", {"lrn": "gradient"}), "fsp": ("gradient", {"iterations": 0, "reduce": "max_abs"})}  # fmt: skip
    if method in equal:
        plain, options = equal[method]
        expected = tt.attend(net, image, [0, 2], plain).map
        np.testing.assert_allclose(tt.attend(net, image, [0, 2], method, **options).map, expected, rtol=1e-11)


# -- where maps are read, and where walks start -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["feedback", "gp"])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_maps_at_every_blob(method: str, seed: int) -> None:
    """With nothing moved, the gated net's signals are the plain net's, at whatever blob."""
    net, image = random_net(seed), random_image(seed)
    plain = {"feedback": "gradient", "gp": "guided"}[method]
    blobs = [name for name in net.blobs if len(net.shapes()[name]) == 4]  # type: ignore[arg-type]
    assert len(blobs) > 6
    for at in blobs:
        found = tt.attend(net, image, TARGETS, method, at=at, iterations=0)
        assert found.at == at
        if at in {net.graph.blobs[node.tops[0]] for node in net.graph.nodes if node.layer.type == "ReLU"}:
            continue  # over a ReLU the gated net has one version more
        expected = tt.attend(net, image, TARGETS, plain, at=at)
        np.testing.assert_allclose(found.map, expected.map, rtol=1e-10, atol=1e-10 * abs(expected.map).max())


@pytest.mark.parametrize("method", [name for name in FAMILY if name not in ("fsp-fr", "summation")])
def test_blobs_that_hold_no_map_are_refused(method: str) -> None:
    net, image = random_net(0), random_image(0)
    text = (
        data(2, 3, 8, 7)
        + layer("c", "Convolution", "data", "convolution_param { num_output: 2 kernel_size: 1 }")
        + relu("c")
    )
    text += layer("s", "Convolution", "c", "convolution_param { num_output: 2 kernel_size: 1 }") + layer(
        "above", "Softmax", "s"
    )
    other = make(text, random_weights(c=(2, 3, 1, 1), s=(2, 2, 1, 1)))
    with pytest.raises(BadInput, match=r"at: found blob 'fc2' of shape \(2, 5\), expected one with 4 axes"):
        tt.attend(net, image, TARGETS, method, at="fc2")
    with pytest.raises(BadInput, match="at: found blob 'above', expected one between the image and the score 's'"):
        tt.attend(other, image, 0, method, at="above")
    with pytest.raises(BadInput, match="blob: found 'nope'"):
        tt.attend(net, image, TARGETS, method, at="nope")


@pytest.mark.parametrize("method", FAMILY)
def test_another_input_is_refused(method: str) -> None:
    text = data(1, 2, 3, 4) + data(1, 2, 3, 4, name="other") + layer("e", "Eltwise", "data other")
    text += relu("e") + layer("f", "InnerProduct", "e", "inner_product_param { num_output: 2 }")
    with pytest.raises(BadInput, match=r"input 'other': found \['data'\] given, expected an array for it"):
        tt.attend(
            make(text, random_weights(f=(2, 24))),
            np.ones((2, 3, 4)),
            0,
            method,
            **({"where": "all"} if method != "fr" else {}),
        )


@pytest.mark.parametrize("method", FAMILY)
def test_the_target_may_be_a_channel_of_a_hidden_blob(method: str) -> None:
    """What lies above it does not take part: the net without these layers answers the same."""
    net, image = random_net(0), random_image(0)
    found = tt.attend(net, image, [1, 3], method, score="p2")
    assert "relu_fc1" not in found.gates
    cut = _below(net, "p2")
    np.testing.assert_allclose(found.map, tt.attend(cut, image, [1, 3], method).map, rtol=1e-12)


def _below(net: Net, blob: str) -> Net:
    message = type(net.message)()
    for one in net.message.layer:
        message.layer.add().CopyFrom(one)
        if blob in one.top:
            break
    kept = {one.name for one in message.layer}
    return Net(
        Graph(message), {name: arrays for name, arrays in net.params.items() if name in kept}, message, "float64"
    )


@pytest.mark.parametrize("method", [*FAMILY, "gradient", "guided", "deconvnet", "mwp", "lrp-epsilon"])
def test_the_target_may_be_one_hidden_neuron(method: str) -> None:
    """The score of one neuron is that of a classifier with one weight: a net that ends in it says the same."""
    net, image = random_net(0), random_image(0)
    channels, positions = [1, 3], [(0, 1), (1, 0)]
    size = net.shapes()["p2"]
    assert size is not None
    cut = _below(net, "p2")
    text = layer("one", "InnerProduct", "p2", "inner_product_param { num_output: 2 bias_term: false }")
    message = type(net.message)()
    message.CopyFrom(cut.message)
    text_format.Merge(text, message)
    weights = np.zeros((2, *size[1:]))
    for row, (channel, place) in enumerate(zip(channels, positions, strict=True)):
        weights[(row, channel, *place)] = 1
    picked = Net(Graph(message), {**cut.params, "one": (weights.reshape(2, -1),)}, message, "float64")
    at = {"at": "data"} if method == "mwp" else {}
    options = {"layer": "relu_left"} if method == "fsp-fr" else {}
    found = tt.attend(net, image, channels, method, score="p2", position=positions, **at, **options)
    expected = tt.attend(picked, image, [0, 1], method, **at, **options)
    assert abs(expected.map).max() > 0
    if method not in ("mwp", "lrp-epsilon"):
        np.testing.assert_allclose(found.map, expected.map, rtol=1e-9, atol=1e-12 * abs(expected.map).max())
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-12)
    assert found.meta["positions"] == [[[0, 1], [1, 0]]] * 2


@pytest.mark.parametrize(
    ("position", "told"),
    [
        ((0,), "expected whole numbers"), ((0, 1, 1), "expected whole numbers"), ((0.0, 1.0), "expected whole numbers"),
        ("ab", "expected whole numbers"), ([(0, 0)] * 4, "expected whole numbers"), ([(0, 0), (1,)], "expected whole numbers"),
        ((2, 0), r"found \(2, 0\), expected one in a map of sizes \(2, 2\)"), ((0, -1), r"found \(0, -1\)"),
    ],
)  # fmt: skip
def test_positions_are_checked(position: object, told: str) -> None:
    with pytest.raises(BadInput, match=f"position: .*{told}"):
        tt.attend(random_net(0), random_image(0), [0, 1], "fr", score="p2", position=position)


def test_scores_without_positions_take_none() -> None:
    with pytest.raises(BadInput, match="position: found"):
        tt.attend(random_net(0), random_image(0), 0, "fr", position=(0, 0))


# -- options ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options", "told"),
    [
        ("feedback", {"iterations": 2.5}, "option iterations: found 2.5, expected a whole number of at least 0"),
        ("feedback", {"rate": "fast"}, "option rate: found 'fast', expected a number of at least 0"),
        ("feedback", {"binarise": None}, "option binarise: found None, expected a number"),
        ("feedback", {"iterations": True}, "option iterations: found True"),
        ("feedback-hard", {"iterations": 0}, "option iterations: found 0, expected a whole number of at least 1"),
        ("gp", {"smoothing": 0}, "option smoothing: found 0"),
        ("gp", {"inverse": "printed"}, "inverse: found gates of"),
        ("fsp", {"iterations": -1}, "option iterations: found -1, expected a whole number of at least 0"),
        ("fsp", {"edge": 1}, r"option edge: found 1, expected one of \[None, True, False\]"),
        ("fsp-fr", {"portion": "much"}, "option portion: found 'much', expected a number of at least 0"),
        ("fsp-fr", {"layer": "relu_c"}, "layer: found 'relu_c', expected a gated ReLU"),
        ("fsp-fr", {"layer": 3}, "option layer: found 3, expected a text"),
        ("summation", {"layers": "relu_c1, relu_fc1"}, "layers: found 'relu_fc1', expected ReLUs with rows and columns"),
    ],
)  # fmt: skip
def test_bad_options(method: str, options: dict, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        tt.attend(random_net(0), random_image(0), 0, method, **options)


def test_options_may_be_words_of_a_command_line() -> None:
    words = {"iterations": "3", "edge": "false", "ratio": "0.5", "masks": "recomputed"}
    found = METHODS["fsp"].checked(words)
    assert {name: found[name] for name in words} == {
        "iterations": 3,
        "edge": False,
        "ratio": 0.5,
        "masks": "recomputed",
    }


def test_nets_of_fully_connected_layers_alone() -> None:
    text = data(1, 2, 3, 4) + layer("f", "InnerProduct", "data", "inner_product_param { num_output: 5 }") + relu("f")
    text += layer("s", "InnerProduct", "f", "inner_product_param { num_output: 2 }")
    net, image = make(text, random_weights(f=(5, 24), s=(2, 5))), np.random.default_rng(0).normal(size=(2, 3, 4))
    for method in ("feedback", "feedback-hard", "gp", "fsp"):
        assert tt.attend(net, image, [0, 1], method, where="all").map.shape == (1, 2, 3, 4)
    with pytest.raises(BadInput, match="found no ReLU with rows and columns below its classifier"):
        tt.attend(net, image, 0, "fsp-fr")
    with pytest.raises(BadInput, match="found no ReLU behind a convolution"):
        tt.attend(net, image, 0, "summation")


def test_leaky_relus_start_from_what_their_gates_let_through() -> None:
    """A closed gate over a leaky ReLU does change the first pass, which is then computed again."""
    text = data(2, 3, 5, 4) + layer("c", "Convolution", "data", "convolution_param { num_output: 4 kernel_size: 2 }")
    text += layer("r", "ReLU", "c", "relu_param { negative_slope: 0.1 }") + layer(
        "f", "InnerProduct", "r", "inner_product_param { num_output: 3 }"
    )
    net, image = (
        make(text, random_weights(c=(4, 3, 2, 2), f=(3, 48))),
        np.random.default_rng(0).normal(size=(2, 3, 5, 4)),
    )
    found = tt.attend(net, image, 1, "feedback", rate=0.0)
    blobs = net.forward(data=image)
    scores = recomputed_forward(net, image, {"r": (blobs["c"] > 0) * 1.0})["f"]
    assert not np.allclose(scores, blobs["f"])
    np.testing.assert_allclose(found.curve[0, :, 0], scores, rtol=1e-12)


@pytest.mark.parametrize("method", ["feedback", "gp", "feedback-hard"])
def test_the_target_may_be_a_hidden_neuron_that_only_a_relu_reads(method: str) -> None:
    """One that the ReLU does not write over: its value is kept for the scores."""
    text = data(1, 3, 6, 6) + layer("c1", "Convolution", "data", "convolution_param { num_output: 4 kernel_size: 3 }")
    text += layer("r1", "ReLU", "c1") + layer(
        "c2", "Convolution", "r1", "convolution_param { num_output: 5 kernel_size: 3 }"
    )
    text += layer("r2", "ReLU", "c2") + layer("fc", "InnerProduct", "r2", "inner_product_param { num_output: 2 }")
    net = make(text, random_weights(c1=(4, 3, 3, 3), c2=(5, 4, 3, 3), fc=(2, 20)))
    image = np.random.default_rng(0).normal(size=(1, 3, 6, 6))
    found = tt.attend(net, image, [1, 3], method, score="c2", position=(0, 1))
    np.testing.assert_allclose(found.scores[0], net.forward(data=image).version("c2")[0, [1, 3], 0, 1])
    assert found.map.shape == (1, 2, 6, 6)
