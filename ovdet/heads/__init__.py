"""Features to regions, boxes, masks, embeddings and logits. Never a sample."""

from ovdet.heads.boxes import Assignment, BoxHead, RegionSampler
from ovdet.heads.classify import CosineClassifier, RegionBranch, SigmoidClassifier
from ovdet.heads.embed import MobileNetEmbedder, RoiEmbedder, TowerEmbedder
from ovdet.heads.fuse import FirstScores, GeometricScores
from ovdet.heads.left_out import FederatedClasses, NovelClasses
from ovdet.heads.masks import MaskHead
from ovdet.heads.proposals import RpnProposals

__all__ = [
    "Assignment",
    "BoxHead",
    "CosineClassifier",
    "FederatedClasses",
    "FirstScores",
    "GeometricScores",
    "MaskHead",
    "MobileNetEmbedder",
    "NovelClasses",
    "RegionBranch",
    "RegionSampler",
    "RoiEmbedder",
    "RpnProposals",
    "SigmoidClassifier",
    "TowerEmbedder",
]
