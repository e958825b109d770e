"""Features to regions, boxes, masks, embeddings and logits. Never a sample."""

from ovdet.heads.boxes import Assignment, BoxHead, RegionSampler
from ovdet.heads.classify import CosineClassifier, RegionBranch, SigmoidClassifier
from ovdet.heads.embed import MobileNetEmbedder, RoiEmbedder, TowerEmbedder
from ovdet.heads.fuse import FirstScores, GeometricScores
from ovdet.heads.left_out import FederatedClasses, NovelClasses
from ovdet.heads.mask_decoders import MaskedMaskDecoder, PlainMaskDecoder
from ovdet.heads.mask_embed import MaskBranch, MaskCropEmbedder, QueryEmbedder
from ovdet.heads.mask_features import DeformablePixels, PixelTrunk, PyramidPixels
from ovdet.heads.mask_proposals import MaskProposals
from ovdet.heads.mask_sets import MaskSetCriterion, MaskTerms
from ovdet.heads.masks import MaskHead
from ovdet.heads.pixels import CosinePixelHead
from ovdet.heads.proposals import RpnProposals
from ovdet.heads.queries import QueryDecoder, QueryEncoder
from ovdet.heads.query_classify import ConditionClassifier, QueryClassifier
from ovdet.heads.query_proposals import QueryProposals
from ovdet.heads.refinements import KeySmooth, Pamr, PromptDenoise
from ovdet.heads.sets import SetCriterion, SetTerms
from ovdet.heads.smooth import SmoothedPixelHead
from ovdet.heads.tokens import TokenDotHead, own_tokens, token_owners

__all__ = [
    "Assignment",
    "BoxHead",
    "ConditionClassifier",
    "CosineClassifier",
    "CosinePixelHead",
    "DeformablePixels",
    "FederatedClasses",
    "FirstScores",
    "GeometricScores",
    "KeySmooth",
    "MaskBranch",
    "MaskCropEmbedder",
    "MaskHead",
    "MaskProposals",
    "MaskSetCriterion",
    "MaskTerms",
    "MaskedMaskDecoder",
    "MobileNetEmbedder",
    "NovelClasses",
    "Pamr",
    "PixelTrunk",
    "PlainMaskDecoder",
    "PromptDenoise",
    "PyramidPixels",
    "QueryClassifier",
    "QueryDecoder",
    "QueryEmbedder",
    "QueryEncoder",
    "QueryProposals",
    "RegionBranch",
    "RegionSampler",
    "RoiEmbedder",
    "RpnProposals",
    "SetCriterion",
    "SetTerms",
    "SigmoidClassifier",
    "SmoothedPixelHead",
    "TokenDotHead",
    "TowerEmbedder",
    "own_tokens",
    "token_owners",
]
