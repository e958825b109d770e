"""OWL-ViT and OWLv2: a plain contrastive ViT whose every token predicts a box and a name.

Minderer et al., "Simple Open-Vocabulary Object Detection with Vision Transformers", ECCV 2022,
https://arxiv.org/abs/2205.06230, and "Scaling Open-Vocabulary Object Detection", NeurIPS 2023,
https://arxiv.org/abs/2306.09683 (objectness and self-training).

Slots: trunk (``OwlvitTrunk``) and, in the dense assembly, its head and criterion
(``OwlvitHead``, ``OwlvitCriterion``); examples in place of names (``OwlvitExamples``); labeler
(``OwlvitLabeler``, the annotator of self-training).
"""

from ovdet.methods.owlvit.criterion import OwlvitCriterion, OwlvitTerms, merge_objects
from ovdet.methods.owlvit.examples import (
    OwlvitExamples,
    OwlvitRule,
    centre_place,
    choose_place,
)
from ovdet.methods.owlvit.head import OwlvitHead, OwlvitTrunk, box_bias
from ovdet.methods.owlvit.selftrain import OwlvitLabeler, ngrams
from ovdet.methods.owlvit.weights import average_models, load_published, rename_published

__all__ = [
    "OwlvitCriterion",
    "OwlvitExamples",
    "OwlvitHead",
    "OwlvitLabeler",
    "OwlvitRule",
    "OwlvitTerms",
    "OwlvitTrunk",
    "average_models",
    "box_bias",
    "centre_place",
    "choose_place",
    "load_published",
    "merge_objects",
    "ngrams",
    "rename_published",
]
