"""What masks are learnt from: the objects of samples, or one mask for each class of a label map.

Shapes: B images, C classes, M objects, H W px.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.ops.masks import mask_boxes
from ovdet.structures import IGNORED, InputError, Regions, Sample, Vocabulary


def seen_rows(vocabulary: Vocabulary) -> list[int]:
    """Return the classes that are not novel.

    Raises:
        InputError: If every class is novel.
    """
    rows = [row for row, novel in enumerate(vocabulary.novel_mask) if not novel]
    if not rows:
        raise InputError("at least one class must not be novel: there is nothing to learn from")
    return rows


def mask_truth(
    samples: Sequence[Sample], vocabulary: Vocabulary, size: tuple[int, int], *, merged: bool
) -> list[Regions | None]:
    """Return what each image teaches of the classes that are not novel.

    Pixels of novel classes and those without a class belong to no mask.

    Args:
        samples: B samples; labels and maps index ``vocabulary``.
        vocabulary: C classes.
        size: (H, W) of the canvas, px.
        merged: One mask a class: of the label map, or where there is none of all its objects.

    Returns:
        For each image its masks [M, H, W], bool, with labels that count the classes that are not
        novel alone; None for an image that is not labelled.

    Raises:
        InputError: If every class is novel, or objects have no masks.
    """
    place = torch.full((len(vocabulary) + 1,), IGNORED)  # the last entry is IGNORED's own
    rows = seen_rows(vocabulary)
    place[rows] = torch.arange(len(rows))
    found = []
    for sample in samples:
        facts = _of_map(sample, place) if merged and sample.semantic is not None else None
        facts = facts or _of_objects(sample, place, merged=merged)
        found.append(None if facts is None else _regions(*facts, size))
    return found


def _of_map(sample: Sample, place: Tensor) -> tuple[Tensor, Tensor] | None:
    if sample.semantic is None:
        return None
    pixels = place[sample.semantic]
    labels = torch.unique(pixels)
    labels = labels[labels != IGNORED]
    return labels, pixels == labels[:, None, None]


def _of_objects(sample: Sample, place: Tensor, *, merged: bool) -> tuple[Tensor, Tensor] | None:
    truth = sample.truth
    if not sample.boxed:
        return None
    if len(truth) == 0:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, 1, 1, dtype=torch.bool)
    if truth.masks is None or truth.labels is None:
        name = sample.file_name or f"image {sample.image_id}"
        raise InputError(f"{name}: masks are learnt from objects with masks and labels, got none")
    labels, masks = place[truth.labels], truth.masks.bool()
    labels, masks = labels[labels != IGNORED], masks[labels != IGNORED]
    if not merged:
        return labels, masks
    classes = torch.unique(labels)
    joined = [masks[labels == one].any(dim=0) for one in classes]
    return classes, torch.stack(joined) if joined else masks


def _regions(labels: Tensor, masks: Tensor, size: tuple[int, int]) -> Regions:
    """Return masks [M, h, w] on the canvas as regions."""
    masks = F.pad(masks, (0, size[1] - masks.shape[2], 0, size[0] - masks.shape[1]))
    return Regions(mask_boxes(masks), torch.zeros_like(labels), labels=labels, masks=masks)
