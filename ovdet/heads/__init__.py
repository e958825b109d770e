"""Features to regions, boxes, masks, embeddings and logits. Never a sample."""

from ovdet.heads.boxes import Assignment, BoxHead, RegionSampler
from ovdet.heads.classify import CosineClassifier, RegionBranch
from ovdet.heads.embed import MobileNetEmbedder, RoiEmbedder
from ovdet.heads.fuse import FirstScores, GeometricScores
from ovdet.heads.masks import MaskHead
from ovdet.heads.proposals import RpnProposals
from ovdet.heads.tokens import TokenDotHead, own_tokens, token_owners

__all__ = [
    "Assignment",
    "BoxHead",
    "CosineClassifier",
    "FirstScores",
    "GeometricScores",
    "MaskHead",
    "MobileNetEmbedder",
    "RegionBranch",
    "RegionSampler",
    "RoiEmbedder",
    "RpnProposals",
    "TokenDotHead",
    "own_tokens",
    "token_owners",
]
