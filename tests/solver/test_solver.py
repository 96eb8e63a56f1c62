"""The loop: what happens when, what is averaged over what, which weights learn, and what a net must be like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thinktwice.caffe_models.weights import Weights
from thinktwice.errors import BadInput
from thinktwice.solver import events
from thinktwice.solver.events import Displayed, Event, Saved, Stepped
from thinktwice.solver.solver import Solver

from ..nets import data, layer
from .nets import ACCURACY, IMAGES, NET, batch, fed, param, same, solver, train

# One weight, loss = w x: the derivative is x, and everything can be worked out by hand.
LINE = data(1, 1) + layer(
    "w", "InnerProduct", "data", "loss_weight: 1 OPTIONS inner_product_param { num_output: 1 bias_term: false }"
)
STEEP = LINE.replace("OPTIONS", "")


def ones(number: int) -> dict[str, np.ndarray]:
    return {"data": np.ones((1, 1), np.float32)}


def counted(number: int) -> dict[str, np.ndarray]:
    """Batch k holds the number k + 1."""
    return {"data": np.full((1, 1), number + 1, np.float32)}


def line(settings: str, folder: Path, feed: Any = ones, text: str = STEEP, tests: str = "", start: float = 0) -> Solver:
    made = solver(settings, folder, text, feed, tests=tests)
    made.start_from(Weights("start", {"w": (np.full((1, 1), start, np.float32),)}))
    return made


def value(made: Solver) -> float:
    return made.weights().blobs["w"][0].item()


def told(events: Iterator[Event]) -> list[tuple]:
    """Events in short: single steps left out."""
    return [(type(event).__name__, event.iteration) for event in events if not isinstance(event, Stepped)]


# -- what happens when --------------------------------------------------------------------------------------------------


def test_the_order_of_things(tmp_path: Path) -> None:
    """As Caffe's log has it: a test before the iteration of its number, a snapshot after the update that makes its number."""
    made = solver("display: 2 snapshot: 3 max_iter: 6", tmp_path, NET + ACCURACY, tests="test_iter: 2 test_interval: 3")
    assert told(made.run()) == [
        ("Tested", 0), ("Displayed", 0), ("Displayed", 2), ("Saved", 3), ("Tested", 3), ("Displayed", 4), ("Saved", 6),
        ("Displayed", 6), ("Tested", 6),
    ]  # fmt: skip


def test_what_can_be_left_out(tmp_path: Path) -> None:
    settings = "max_iter: 5 snapshot_after_train: true test_initialization: false"
    assert told(solver(settings, tmp_path, tests="test_iter: 1 test_interval: 2").run()) == [
        ("Tested", 2),
        ("Tested", 4),
        ("Saved", 5),
    ]
    assert told(solver("max_iter: 5", tmp_path).run()) == []
    assert told(solver("max_iter: 4 snapshot: 2 snapshot_after_train: true", tmp_path).run()) == [
        ("Saved", 2),
        ("Saved", 4),
    ]


def test_a_snapshot_on_demand(tmp_path: Path) -> None:
    made = line("max_iter: 4", tmp_path)
    seen = []
    for event in made.run():
        seen.append((type(event).__name__, event.iteration))
        if isinstance(event, Stepped) and event.iteration == 2:
            made.save_soon()
    assert seen == [("Stepped", 1), ("Stepped", 2), ("Saved", 2), ("Stepped", 3), ("Stepped", 4)]


def test_displayed_is_what_was_before_the_update(tmp_path: Path) -> None:
    """w falls by 1 each time, from 10: batches 1, 1, ... show w itself."""
    made = line('display: 2 max_iter: 4 base_lr: 1 lr_policy: "step" gamma: 0.5 stepsize: 4', tmp_path, start=10)
    found = [(e.iteration, e.loss, e.rate, e.outputs["w"].item()) for e in made.run() if isinstance(e, Displayed)]
    assert found == [(0, 10, 1, 10), (2, 8, 1, 8), (4, 6, 0.5, 6)]


def test_losses_are_averaged_over_the_last_ones(tmp_path: Path) -> None:
    made = line("display: 1 max_iter: 5 base_lr: 1 average_loss: 3", tmp_path, start=10)
    events = list(made.run())
    expected = [10, 9.5, 9, 8, 7]
    assert [e.loss for e in events if isinstance(e, Displayed)] == [*expected, 6]
    assert [e.loss for e in events if isinstance(e, Stepped)] == expected
    assert made.recent.maxlen == 3


def test_the_final_look_changes_nothing(tmp_path: Path) -> None:
    settings = "display: 4 snapshot: 8"
    made = solver(settings, tmp_path)
    at_save = None
    for event in made.run():
        if isinstance(event, Saved):
            at_save = dict(made.weights().blobs)
    assert at_save and same(at_save, dict(made.weights().blobs))


# -- test nets ----------------------------------------------------------------------------------------------------------


def test_tests_average_their_batches_and_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """w is 1 and does not learn, so outputs are the batches' own numbers: 1, 2 - 3, 4 - 5, 6, and for the second net 1 to 3."""
    settings = "max_iter: 4 base_lr: 0 test_compute_loss: true"
    made = line(settings, tmp_path, counted, tests="test_iter: 2 test_iter: 3 test_interval: 2", start=1)
    tests = [e for e in made.run() if isinstance(e, events.Tested)]
    assert [(e.iteration, e.net, e.outputs["w"].item(), e.loss) for e in tests] == [
        (0, 0, 1.5, 1.5), (0, 1, 2, 2), (2, 0, 3.5, 3.5), (2, 1, 5, 5), (4, 0, 5.5, 5.5), (4, 1, 8, 8),
    ]  # fmt: skip


def test_tests_before_which_there_was_none_begin_at_the_first_batch(tmp_path: Path) -> None:
    settings = "max_iter: 4 base_lr: 0 test_initialization: false"
    made = line(settings, tmp_path, counted, tests="test_iter: 2 test_interval: 2", start=1)
    tests = [e for e in made.run() if isinstance(e, events.Tested)]
    assert [(e.iteration, e.outputs["w"].item(), e.loss) for e in tests] == [(2, 1.5, None), (4, 3.5, None)]


def test_a_test_net_sees_the_weights_as_they_are(tmp_path: Path) -> None:
    made = line("max_iter: 3 base_lr: 1", tmp_path, tests="test_iter: 1 test_interval: 1", start=5)
    assert [e.outputs["w"].item() for e in made.run() if isinstance(e, events.Tested)] == [5, 4, 3, 2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'name: "fc"',
            'name: "other"',
            r"layer 'other' \(InnerProduct\): parameters: found no layer of this name in the net",
        ),
        (
            "num_output: 3",
            "num_output: 4",
            r"layer 'fc' \(InnerProduct\): parameters: found shapes \[\(3, 64\), \(3,\)\] in",
        ),
    ],
)
def test_a_test_net_has_no_weights_of_its_own(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        Solver(param("", tmp_path), fed(NET), [fed(NET.replace(old, new), "TEST")])


# -- one update ---------------------------------------------------------------------------------------------------------


def test_iter_size_adds_up_passes_and_divides(tmp_path: Path) -> None:
    """Batches 1 and 2, then 3 and 4: w = 0 - 1.5 - 3.5, losses the means of two passes."""
    made = line("max_iter: 2 base_lr: 1 iter_size: 2", tmp_path, counted)
    losses = [event.loss for event in made.run()]
    assert value(made) == -5
    assert losses == [0, (3 * -1.5 + 4 * -1.5) / 2]


def test_clipping_comes_before_the_division_by_iter_size(tmp_path: Path) -> None:
    """Gradients 1 + 2 = 3 are cut to 2 and then halved."""
    made = line("max_iter: 1 base_lr: 1 iter_size: 2 clip_gradients: 2", tmp_path, counted)
    train(made)
    assert value(made) == -1


def test_decay_comes_behind_both(tmp_path: Path) -> None:
    """Gradient 4 of batch 4 is cut to 2; then 0.5 * 8 is added, and lr_mult and decay_mult count."""
    text = LINE.replace("OPTIONS", "param { lr_mult: 0.5 decay_mult: 2 }")
    feed = lambda number: counted(3)  # noqa: E731
    made = line("max_iter: 1 base_lr: 1 clip_gradients: 2 weight_decay: 0.25", tmp_path, feed, text, start=8)
    train(made)
    assert value(made) == 8 - 0.5 * (2 + 0.25 * 2 * 8)


def test_layers_without_a_learning_rate_stay_and_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only ``fc`` learns: no gradient is computed below, none counts for clipping, and weight decay leaves the rest alone."""
    frozen = NET.replace("convolution_param {", "param { lr_mult: 0 } convolution_param {").replace(
        "scale_param {", "param { lr_mult: 0 } param { lr_mult: 0 } scale_param {"
    )
    made = solver("weight_decay: 0.1 max_iter: 3", tmp_path, frozen)
    graph = made._net.graph
    for name in ("conv", "bn", "scale", "relu_scale", "drop"):
        monkeypatch.setattr(graph.nodes[graph.node(name)].layer, "gradient", None)
        monkeypatch.setattr(graph.nodes[graph.node(name)].layer, "parameter_gradient", None)
    before = dict(made.weights().blobs)
    after = train(made)
    assert all(same({name: before[name]}, {name: after[name]}) for name in ("conv", "scale"))
    assert not same({"fc": before["fc"]}, {"fc": after["fc"]})
    assert not same({"bn": before["bn"]}, {"bn": after["bn"]})  # its statistics are gathered all the same, as in Caffe


def test_a_net_that_learns_nothing_still_gathers_statistics(tmp_path: Path) -> None:
    text = (
        data(4, 2, 6, 6)
        + data(4, name="label")
        + layer("bn", "BatchNorm", "data")
        + layer("loss", "SoftmaxWithLoss", "flat label")
    )
    text = text.replace('bottom: "flat"', 'bottom: "fc"').replace(
        'layer { name: "loss"', layer("fc", "Flatten", "bn") + 'layer { name: "loss"'
    )
    made = solver("max_iter: 4 iter_size: 2", tmp_path, text)
    mean, variance, factor = train(made)["bn"]
    means, variances = np.zeros(2), np.zeros(2)
    for k in range(8):
        x = batch(k)["data"].astype(np.float64)
        means = means * 0.999 + x.mean((0, 2, 3))
        variances = variances * 0.999 + x.var((0, 2, 3)) * (144 / 143)
    np.testing.assert_allclose(mean, means, rtol=1e-5)
    np.testing.assert_allclose(variance, variances, rtol=1e-5)
    np.testing.assert_allclose(factor, sum(0.999**k for k in range(8)), rtol=1e-6)


def test_shared_weights_learn_once_from_all_who_use_them(tmp_path: Path) -> None:
    """loss = w (w x): the derivative is 2 w x."""
    options = 'param { name: "w" } inner_product_param { num_output: 1 bias_term: false }'
    text = (
        data(1, 1)
        + layer("w", "InnerProduct", "data", options)
        + layer("v", "InnerProduct", "w", f"{options} loss_weight: 1")
    )
    made = line("max_iter: 2 base_lr: 0.25", tmp_path, text=text, start=4)
    assert len(made.parameters) == 1
    after = train(made)
    assert after["w"][0].item() == after["v"][0].item() == 4 * 0.5 * 0.5


@pytest.mark.parametrize("name", ["lr_mult", "decay_mult"])
def test_who_shares_weights_must_agree(name: str, tmp_path: Path) -> None:
    text = data(1, 1) + "".join(
        layer(
            own,
            "InnerProduct",
            "data",
            f'loss_weight: 1 param {{ name: "w" {name}: {number} }} inner_product_param {{ num_output: 1 bias_term: false }}',
        )
        for own, number in (("w", 1), ("v", 2))
    )
    with pytest.raises(
        BadInput, match=rf"layer 'v' \(InnerProduct\): param.{name}: found 2.0, expected 1.0, as 'w' shares"
    ):
        line("", tmp_path, text=text)


def test_statistics_are_not_learnt(tmp_path: Path) -> None:
    text = NET.replace('type: "BatchNorm"', 'type: "BatchNorm" param { lr_mult: 1 }')
    with pytest.raises(
        BadInput, match=r"layer 'bn' \(BatchNorm\): param.lr_mult: found 1.0, expected 0: statistics are not"
    ):
        solver("", tmp_path, text)


# -- losses -------------------------------------------------------------------------------------------------------------


def test_losses_add_up_by_their_weights(tmp_path: Path) -> None:
    """2 w x - 0.5 w x; a third top without a weight counts nothing."""
    text = (
        LINE.replace("loss_weight: 1", "").replace("OPTIONS", "")
        + layer("a", "Power", "w", "loss_weight: 2")
        + layer("b", "Power", "w", "loss_weight: -0.5")
        + layer("c", "Power", "w", "power_param { scale: 100 }")
    )
    made = line("max_iter: 1 base_lr: 1", tmp_path, text=text, start=3)
    (step,) = made.run()
    assert step.loss == 4.5 and value(made) == 3 - 1.5


@pytest.mark.parametrize("reader", ["Silence", "ReLU"])
def test_a_loss_that_is_read_again_counts_too(reader: str, tmp_path: Path) -> None:
    """In training, and where tests add up their losses; outputs are what nobody reads."""
    text = STEEP + layer("r", reader, "w")
    text = text.replace('top: "r"', "") if reader == "Silence" else text
    settings = "max_iter: 1 base_lr: 1 test_compute_loss: true"
    made = line(settings, tmp_path, text=text, tests="test_iter: 1 test_interval: 1", start=3)
    tests = [e for e in made.run() if isinstance(e, events.Tested)]
    assert [e.loss for e in tests] == [3, 2] and "w" not in tests[0].outputs and value(made) == 2


def test_a_loss_without_a_top_counts_too(tmp_path: Path) -> None:
    bare = NET.replace('top: "loss"', "")
    assert same(train(solver("max_iter: 2", tmp_path, bare)), train(solver("max_iter: 2", tmp_path)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LINE.replace("loss_weight: 1 OPTIONS", ""),
            "net.prototxt: layer: found no loss, expected a loss layer, or a top",
        ),
        (
            LINE.replace("OPTIONS", "loss_weight: 1"),
            r"layer 'w' \(InnerProduct\): loss_weight: found 2 numbers, expected 1, one for each top, or none",
        ),
        (
            NET + layer("acc", "Accuracy", "fc label", "loss_weight: 1"),
            r"layer 'acc' \(Accuracy\): found a signal, expected a layer that has a gradient",
        ),
    ],
)
def test_nets_that_cannot_be_trained(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        train(solver("", tmp_path, text))


@pytest.mark.filterwarnings("error")
def test_training_that_went_astray_ends_in_one_line(tmp_path: Path) -> None:
    made = line(
        "base_lr: 1e30 max_iter: 9 snapshot: 1", tmp_path, lambda k: {"data": np.full((1, 1), 1e20, np.float32)}
    )
    with pytest.raises(
        BadInput, match=r"iteration 1: found loss -inf, expected a finite number: the learning rate \(1e\+30\)"
    ):
        train(made)
    assert [path.name for path in tmp_path.glob("*1.*")] != []


# -- weights to start from ----------------------------------------------------------------------------------------------


def test_weights_come_from_fillers_and_the_seed(tmp_path: Path) -> None:
    first, again, other = (solver("", tmp_path, seed=seed).weights().blobs for seed in (1, 1, 2))
    assert same(dict(first), dict(again)) and not same({"fc": first["fc"]}, {"fc": other["fc"]})
    assert not first["fc"][1].any() and (first["scale"][0] == 1).all() and not any(map(np.any, first["bn"]))


def test_layers_take_the_weights_of_their_names(tmp_path: Path) -> None:
    made, before = solver("", tmp_path), solver("", tmp_path).weights().blobs
    rng = np.random.default_rng(0)
    file = {"conv": (rng.normal(size=(4, 2, 3, 3)).astype(np.float32),), "elsewhere": (np.ones(3, np.float32),)}
    made.start_from(Weights("pretrained", file))
    after = made.weights().blobs
    assert np.array_equal(after["conv"][0], file["conv"][0])
    assert all(same({name: before[name]}, {name: after[name]}) for name in ("bn", "scale", "fc"))


@pytest.mark.parametrize(
    ("blobs", "message"),
    [
        (
            {"conv": (np.ones((4, 2, 5, 5), np.float32),)},
            "pretrained: layer 'conv' blob 0 is 4 x 2 x 5 x 5, expected 4 x 2 x 3",
        ),
        (
            {"cnov": (np.ones(3, np.float32),)},
            "pretrained: found no layer of the net, expected at least one of conv, bn,",
        ),
    ],
)
def test_weights_that_do_not_fit(blobs: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        solver("", tmp_path).start_from(Weights("pretrained", blobs))


def test_weights_that_nobody_fills_are_told(tmp_path: Path) -> None:
    assert solver("", tmp_path).drawn_as_zeros == []
    bare = solver("", tmp_path, NET.replace('weight_filler { type: "msra" }', ""))
    assert bare.drawn_as_zeros == ["conv", "fc"]
    bare.start_from(Weights("pretrained", {"conv": (np.ones((4, 2, 3, 3), np.float32),)}))
    assert bare.drawn_as_zeros == ["fc"]


def test_weights_are_a_copy(tmp_path: Path) -> None:
    made = solver("max_iter: 1", tmp_path)
    before = made.weights().blobs["fc"][0]
    copy = before.copy()
    train(made)
    assert np.array_equal(before, copy) and (made.weights().blobs["fc"][0] != copy).any()


def test_it_learns(tmp_path: Path) -> None:
    """Noise over one picture for each of three classes: the loss falls to less than a quarter, dropout or not."""
    pictures = np.random.default_rng(99).normal(size=(3, *IMAGES[1:]))

    def feed(number: int) -> dict[str, np.ndarray]:
        label = batch(number)["label"]
        noise = np.random.default_rng(number).normal(size=IMAGES)
        return {"data": (noise + pictures[label.astype(int)]).astype(np.float32), "label": label}

    made = solver("max_iter: 150 momentum: 0.9 average_loss: 30 base_lr: 0.01", tmp_path, feed=feed)
    losses = [event.loss for event in made.run() if isinstance(event, Stepped)]
    assert losses[0] > 0.8 and losses[-1] < losses[0] / 4, losses[::30]
