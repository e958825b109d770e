"""Records that travel between the slots, and the slots' signatures."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ovdet.structures.dense import DensePrediction
    from ovdet.structures.errors import InputError
    from ovdet.structures.files import atomic_file, atomic_write, read_json
    from ovdet.structures.flow import Flow, Text
    from ovdet.structures.masked import MaskQueries
    from ovdet.structures.memory import without_collection
    from ovdet.structures.phrases import PhraseVocabulary
    from ovdet.structures.queries import Conditions, Decoded
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
    from ovdet.structures.tokens import Tokens
    from ovdet.structures.vocabulary import Vocabulary

# Errors, files and vocabularies need no torch, so each name is imported at first use.
_HOMES = {
    "IGNORED": "samples",
    "ClassifierSlot": "slots",
    "Conditions": "queries",
    "Decoded": "queries",
    "DensePrediction": "dense",
    "EmbedderSlot": "slots",
    "Flow": "flow",
    "FusionSlot": "slots",
    "InputError": "errors",
    "LabelerSlot": "slots",
    "MaskQueries": "masked",
    "ObjectiveSlot": "slots",
    "PhraseVocabulary": "phrases",
    "RegionSlot": "slots",
    "Regions": "regions",
    "Sample": "samples",
    "ScoreSlot": "slots",
    "Text": "flow",
    "TextSlot": "slots",
    "Tokens": "tokens",
    "TrunkSlot": "slots",
    "Vocabulary": "vocabulary",
    "atomic_file": "files",
    "atomic_write": "files",
    "batch_images": "samples",
    "batch_semantic": "samples",
    "read_json": "files",
    "without_collection": "memory",
}

__all__ = [
    "IGNORED",
    "ClassifierSlot",
    "Conditions",
    "Decoded",
    "DensePrediction",
    "EmbedderSlot",
    "Flow",
    "FusionSlot",
    "InputError",
    "LabelerSlot",
    "MaskQueries",
    "ObjectiveSlot",
    "PhraseVocabulary",
    "RegionSlot",
    "Regions",
    "Sample",
    "ScoreSlot",
    "Text",
    "TextSlot",
    "Tokens",
    "TrunkSlot",
    "Vocabulary",
    "atomic_file",
    "atomic_write",
    "batch_images",
    "batch_semantic",
    "read_json",
    "without_collection",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ovdet.structures' has no attribute '{name}'")
    return getattr(import_module(f"ovdet.structures.{_HOMES[name]}"), name)
