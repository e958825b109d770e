"""Records that travel between the slots, and the slots' signatures."""

from ovdet.structures.errors import InputError
from ovdet.structures.files import atomic_write, read_json
from ovdet.structures.flow import Flow, Text
from ovdet.structures.regions import Regions
from ovdet.structures.samples import IGNORED, Sample, batch_images, batch_semantic
from ovdet.structures.slots import (
    ClassifierSlot,
    EmbedderSlot,
    FusionSlot,
    LabelerSlot,
    ObjectiveSlot,
    RegionSlot,
    ScoreSlot,
    TextSlot,
    TrunkSlot,
)
from ovdet.structures.vocabulary import Vocabulary

__all__ = [
    "IGNORED",
    "ClassifierSlot",
    "EmbedderSlot",
    "Flow",
    "FusionSlot",
    "InputError",
    "LabelerSlot",
    "ObjectiveSlot",
    "RegionSlot",
    "Regions",
    "Sample",
    "ScoreSlot",
    "Text",
    "TextSlot",
    "TrunkSlot",
    "Vocabulary",
    "atomic_write",
    "batch_images",
    "batch_semantic",
    "read_json",
]
