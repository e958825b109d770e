"""Pure functions over tensors; home of torchvision's ops."""

from ovdet.ops.boxes import (
    box_area,
    box_iou,
    clip_boxes,
    decode_deltas,
    encode_deltas,
    enlarge_boxes,
)
from ovdet.ops.matching import match_regions, sample_balanced
from ovdet.ops.regions import crop_regions, enlarge, pool_regions
from ovdet.ops.similarity import compare, cosine_logits, token_max_sim, unit_norm

__all__ = [
    "box_area",
    "box_iou",
    "clip_boxes",
    "compare",
    "cosine_logits",
    "crop_regions",
    "decode_deltas",
    "encode_deltas",
    "enlarge",
    "enlarge_boxes",
    "match_regions",
    "pool_regions",
    "sample_balanced",
    "token_max_sim",
    "unit_norm",
]
