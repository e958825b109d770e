"""Features to regions, boxes, masks, embeddings and logits. Never a sample."""

from ovdet.heads.boxes import Assignment, BoxHead, RegionSampler
from ovdet.heads.classify import CosineClassifier, RegionBranch
from ovdet.heads.embed import MobileNetEmbedder, RoiEmbedder
from ovdet.heads.fuse import FirstScores, GeometricScores
from ovdet.heads.masks import MaskHead
from ovdet.heads.proposals import RpnProposals
from ovdet.heads.queries import QueryDecoder, QueryEncoder
from ovdet.heads.query_classify import ConditionClassifier, QueryClassifier
from ovdet.heads.query_proposals import QueryProposals
from ovdet.heads.sets import SetCriterion, SetTerms

__all__ = [
    "Assignment",
    "BoxHead",
    "ConditionClassifier",
    "CosineClassifier",
    "FirstScores",
    "GeometricScores",
    "MaskHead",
    "MobileNetEmbedder",
    "QueryClassifier",
    "QueryDecoder",
    "QueryEncoder",
    "QueryProposals",
    "RegionBranch",
    "RegionSampler",
    "RoiEmbedder",
    "RpnProposals",
    "SetCriterion",
    "SetTerms",
]
