"""Include and exclude rules, as in Caffe's test_net.cpp (TestFilter...)."""

from __future__ import annotations

import pytest

from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.phases import for_state
from thinktwice.errors import BadInput

RULES = {
    "include { phase: TRAIN }": {"TRAIN"},
    "include { phase: TEST }": {"TEST"},
    "exclude { phase: TEST }": {"TRAIN"},
    "": {"TRAIN", "TEST"},
    "include { phase: TRAIN } include { phase: TEST }": {"TRAIN", "TEST"},
    "exclude { phase: TRAIN } exclude { phase: TEST }": set(),
}


@pytest.mark.parametrize("rule", RULES)
def test_phase(rule: str):
    net = parse_net(f'layer {{ name: "a" type: "ReLU" {rule} }}')
    assert {phase for phase in ("TRAIN", "TEST") if for_state(net, phase).layer} == RULES[rule]


LEVELS = {
    "include { min_level: 2 }": {2, 3},
    "include { max_level: 1 }": {0, 1},
    "include { min_level: 1 max_level: 2 }": {1, 2},
    "exclude { min_level: 1 max_level: 2 }": {0, 3},
    "exclude { min_level: 0 }": set(),
}


@pytest.mark.parametrize("rule", LEVELS)
def test_level(rule: str):
    net = parse_net(f'layer {{ name: "a" type: "ReLU" {rule} }}')
    assert {level for level in range(4) if for_state(net, level=level).layer} == LEVELS[rule]


STAGES = {
    'include { stage: "a" }': ["a", "ab"],
    'include { stage: "a" stage: "b" }': ["ab"],
    'include { stage: "a" not_stage: "b" }': ["a"],
    'include { stage: "a" } include { stage: "b" }': ["a", "b", "ab"],
    'exclude { stage: "a" }': ["", "b"],
    'exclude { not_stage: "a" }': ["a", "ab"],
}


@pytest.mark.parametrize("rule", STAGES)
def test_stages(rule: str):
    net = parse_net(f'layer {{ name: "a" type: "ReLU" {rule} }}')
    assert [stages for stages in ("", "a", "b", "ab") if for_state(net, stages=stages).layer] == STAGES[rule]


def test_stages_of_the_definition_hold_too():
    net = parse_net(
        'state { stage: "a" phase: TRAIN } layer { name: "l" include { stage: "a" stage: "b" phase: TEST } }'
    )
    assert not for_state(net, "TEST").layer
    assert for_state(net, "TEST", stages=["b"]).layer


def test_layers_know_their_phase_and_the_net_is_not_changed():
    net = parse_net('layer { name: "a" type: "ReLU" } layer { name: "b" type: "Dropout" phase: TRAIN }')
    before = net.SerializeToString()
    tested = for_state(net, "TEST")
    assert [layer.phase for layer in tested.layer] == [1, 0]
    assert net.SerializeToString() == before


def test_both_kinds_of_rule_are_refused():
    net = parse_net('layer { name: "a" type: "ReLU" include { phase: TEST } exclude { phase: TRAIN } }')
    with pytest.raises(BadInput, match=r"^n\.prototxt: layer 'a'.*both include and exclude"):
        for_state(net, source="n.prototxt")


def test_an_unknown_phase():
    with pytest.raises(BadInput, match=r"'TETS'.*'TEST'"):
        for_state(parse_net('layer { name: "a" }'), "TETS")
