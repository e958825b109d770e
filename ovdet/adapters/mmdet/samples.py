"""Samples to mmdet's records and back.

Shapes: B images, R regions, H W px of the network input.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ovdet.ops import box_area, clip_boxes
from ovdet.structures import InputError, Regions, Sample


def to_mmdet(
    samples: list[Sample], place: Tensor | None = None, text: Any = None
) -> dict[str, Any]:
    """Return what mmdet's data preprocessor takes.

    mmdet's own loader gives BGR in [0, 255]; so does this, and the preprocessor of the config turns
    and normalises as it always does.

    Args:
        samples: B samples.
        place: For each class of the labels the model's own class, -1 for none: then the truth comes
            along, and objects without a class are passed as places to ignore.
        text: What the records say that the pictures are asked for.
    """
    return {
        "inputs": [sample.image.flip(0) * 255 for sample in samples],
        "data_samples": [_record(sample, place, text) for sample in samples],
    }


def _record(sample: Sample, place: Tensor | None, text: Any) -> Any:
    from mmdet.structures import DetDataSample

    record = DetDataSample(
        metainfo={
            "img_id": sample.image_id,
            "img_path": sample.file_name,
            "ori_shape": tuple(sample.original_size),
            "img_shape": tuple(sample.image.shape[1:]),
            "scale_factor": tuple(sample.scale),
        }
    )
    if text is not None:
        record.set_metainfo({"text": text})
    if place is not None:
        _add_truth(record, sample, place)
    return record


def _add_truth(record: Any, sample: Sample, place: Tensor) -> None:
    from mmengine.structures import InstanceData

    truth = sample.truth
    given = torch.full((len(truth),), -1) if truth.labels is None else truth.labels.cpu()
    labels = torch.where(given >= 0, place[given], -1)
    named = labels >= 0
    record.gt_instances = InstanceData(bboxes=truth.boxes[named], labels=labels[named])
    record.ignored_instances = InstanceData(bboxes=truth.boxes[~named])
    if truth.masks is not None:
        record.gt_instances.masks = _bitmaps(truth.masks[named], sample)
        record.ignored_instances.masks = _bitmaps(truth.masks[~named], sample)


def _bitmaps(masks: Tensor, sample: Sample) -> Any:
    """Return [R, H, W] masks over the whole image as mmdet keeps them."""
    from mmdet.structures.mask import BitmapMasks

    size = tuple(sample.image.shape[1:])
    if tuple(masks.shape[1:]) != size:
        raise InputError(
            f"masks must be {list(size)} px as the image, got {list(masks.shape[1:])} "
            f"in {sample.file_name or sample.image_id}"
        )
    return BitmapMasks(masks.cpu().numpy().astype(np.uint8), *size)


def from_mmdet(record: Any, sample: Sample) -> Regions:
    """Return the objects mmdet found in an image.

    Args:
        record: A data sample with ``pred_instances``, rescaled to the stored image.
        sample: What it was made of.

    Returns:
        Regions in px of the stored image, clipped to it, best first; ``masks`` [R, H, W] are bool
        over the stored image, where the model gives any.
    """
    found = record.pred_instances
    boxes = clip_boxes(found.bboxes, *sample.original_size).float()
    masks = found.masks if "masks" in found else None
    if masks is not None and not isinstance(masks, Tensor):
        masks = torch.from_numpy(np.asarray(masks))
    regions = Regions(
        boxes,
        torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device),
        found.scores.float(),
        found.labels.long(),
        None if masks is None else masks.bool(),
    )
    order = found.scores.argsort(descending=True, stable=True)
    return regions[order[(box_area(boxes) > 0)[order]]]
