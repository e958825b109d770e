"""Every shared filling can be called as its slot's Protocol says."""

import inspect
from typing import Protocol

import pytest

from ovdet import structures
from ovdet.heads import (
    CosineClassifier,
    FirstScores,
    GeometricScores,
    MobileNetEmbedder,
    QueryProposals,
    RoiEmbedder,
    RpnProposals,
    SigmoidClassifier,
    TowerEmbedder,
)
from ovdet.registry import MODELS
from ovdet.structures import slots
from ovdet.text import LearntRows, TextClasses, TokenText, TunedTextClasses
from ovdet.vision import (
    CoarserLevels,
    DeepFusion,
    DptTrunk,
    MergedLevels,
    ProxyTower,
    PyramidTrunk,
    RawAndPyramid,
    Reassemble,
    SmallVit,
    SwinTrunk,
    TowerPyramid,
    VitTaps,
)

FILLINGS = [
    ("TextSlot", TextClasses),
    ("TextSlot", TokenText),
    ("TextSlot", TunedTextClasses),
    ("TextSlot", LearntRows),
    ("TrunkSlot", PyramidTrunk),
    ("TrunkSlot", CoarserLevels),
    ("TrunkSlot", SwinTrunk),
    ("FusionSlot", DeepFusion),
    ("TrunkSlot", RawAndPyramid),
    ("TrunkSlot", TowerPyramid),
    ("TrunkSlot", SmallVit),
    ("TrunkSlot", VitTaps),
    ("TrunkSlot", DptTrunk),
    ("TrunkSlot", Reassemble),
    ("TrunkSlot", MergedLevels),
    ("TrunkSlot", ProxyTower),
    ("RegionSlot", RpnProposals),
    ("RegionSlot", QueryProposals),
    ("EmbedderSlot", RoiEmbedder),
    ("EmbedderSlot", MobileNetEmbedder),
    ("EmbedderSlot", TowerEmbedder),
    ("ClassifierSlot", CosineClassifier),
    ("ClassifierSlot", SigmoidClassifier),
    ("ScoreSlot", FirstScores),
    ("ScoreSlot", GeometricScores),
]


# What a method brings is found, not listed: a slot is told by the name of its first argument.
BROUGHT = {"flow": "ObjectiveSlot", "sample": "LabelerSlot", "vocabulary": "TextSlot"}


def positional(function):
    parameters = inspect.signature(function).parameters.values()
    return [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]


def brought():
    """Return the fillings that methods bring themselves."""
    MODELS.import_from_location()
    own = [c for c in MODELS.module_dict.values() if c.__module__.startswith("ovdet.methods.")]
    calls = [(one, positional(one.forward)) for one in own if hasattr(one, "forward")]
    named = [(one, call[0].name) for one, call in calls if call]
    return [(BROUGHT[name], one) for one, name in named if name in BROUGHT]


def test_methods_bring_fillings():
    assert {slot for slot, _ in brought()} == set(BROUGHT.values())


@pytest.mark.parametrize(("slot", "filling"), [*FILLINGS, *brought()])
def test_filling_has_the_slots_signature(slot, filling):
    asked, given = (
        positional(getattr(slots, slot).__call__),
        positional(filling.forward),
    )
    assert [p.name for p in given] == [p.name for p in asked]
    assert [p.default for p in given] == [p.default for p in asked]


def test_a_text_slot_encodes_words():
    asked, given = positional(slots.TextSlot.encode_words), positional(TextClasses.encode_words)
    assert [p.name for p in given] == [p.name for p in asked]


def test_there_are_nine_and_all_are_exported():
    nine = {name for name, one in vars(slots).items() if Protocol in getattr(one, "__bases__", ())}
    assert len(nine) == 9
    assert nine <= set(structures.__all__)
