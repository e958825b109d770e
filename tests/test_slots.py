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
from ovdet.methods.detic import DeticCaptions, DeticImageLabels
from ovdet.methods.glip import GlipPromptText
from ovdet.methods.ovdetr import OvdetrLabeler, OvdetrReconstruction
from ovdet.methods.vild import VildDistillation, VildLabeler
from ovdet.structures import slots
from ovdet.text import TextClasses, TokenText
from ovdet.vision import (
    CoarserLevels,
    DeepFusion,
    PyramidTrunk,
    RawAndPyramid,
    SwinTrunk,
    TowerPyramid,
)

FILLINGS = [
    ("TextSlot", TextClasses),
    ("TextSlot", TokenText),
    ("TextSlot", GlipPromptText),
    ("TrunkSlot", PyramidTrunk),
    ("TrunkSlot", CoarserLevels),
    ("TrunkSlot", SwinTrunk),
    ("FusionSlot", DeepFusion),
    ("TrunkSlot", RawAndPyramid),
    ("TrunkSlot", TowerPyramid),
    ("RegionSlot", RpnProposals),
    ("RegionSlot", QueryProposals),
    ("EmbedderSlot", RoiEmbedder),
    ("EmbedderSlot", MobileNetEmbedder),
    ("EmbedderSlot", TowerEmbedder),
    ("ClassifierSlot", CosineClassifier),
    ("ClassifierSlot", SigmoidClassifier),
    ("ScoreSlot", FirstScores),
    ("ScoreSlot", GeometricScores),
    ("ObjectiveSlot", DeticCaptions),
    ("ObjectiveSlot", DeticImageLabels),
    ("ObjectiveSlot", VildDistillation),
    ("ObjectiveSlot", OvdetrReconstruction),
    ("LabelerSlot", VildLabeler),
    ("LabelerSlot", OvdetrLabeler),
]


def positional(function):
    parameters = inspect.signature(function).parameters.values()
    return [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]


@pytest.mark.parametrize(("slot", "filling"), FILLINGS)
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
