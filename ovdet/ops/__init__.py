"""Pure functions over tensors; home of torchvision's ops."""

from ovdet.ops.assign import assign_atss, centerness
from ovdet.ops.boxes import (
    box_area,
    box_iou,
    clip_boxes,
    decode_deltas,
    encode_deltas,
    enlarge_boxes,
    from_centre_side,
    generalized_box_iou,
    grid_cells,
    square_boxes,
    to_centre_side,
)
from ovdet.ops.comparison import Comparison
from ovdet.ops.crop_resize import crop_resize
from ovdet.ops.deform_attn import deform_attn
from ovdet.ops.label_maps import best_map
from ovdet.ops.masks import mask_paste, mask_pool, paste_rle
from ovdet.ops.matching import best_overlap, match_hungarian, match_regions, sample_balanced
from ovdet.ops.nms import SoftRule, batched_nms, multiclass_nms, soft_nms
from ovdet.ops.region_text import TopPairs, region_text_topk
from ovdet.ops.regions import crop_regions, enlarge
from ovdet.ops.roi_align import pyramid_roi_align, roi_align
from ovdet.ops.similarity import compare, cosine_logits, unit_norm
from ovdet.ops.token_max_sim import token_max_sim
from ovdet.ops.windows import window_starts

__all__ = [
    "Comparison",
    "SoftRule",
    "TopPairs",
    "assign_atss",
    "batched_nms",
    "best_map",
    "best_overlap",
    "box_area",
    "box_iou",
    "centerness",
    "clip_boxes",
    "compare",
    "cosine_logits",
    "crop_regions",
    "crop_resize",
    "decode_deltas",
    "deform_attn",
    "encode_deltas",
    "enlarge",
    "enlarge_boxes",
    "from_centre_side",
    "generalized_box_iou",
    "grid_cells",
    "mask_paste",
    "mask_pool",
    "match_hungarian",
    "match_regions",
    "multiclass_nms",
    "paste_rle",
    "pyramid_roi_align",
    "region_text_topk",
    "roi_align",
    "sample_balanced",
    "soft_nms",
    "square_boxes",
    "to_centre_side",
    "token_max_sim",
    "unit_norm",
    "window_starts",
]
