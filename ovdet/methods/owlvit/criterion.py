"""OWL-ViT's set loss: places and objects are paired one to one, the rest says no to every name.

Shapes: B images, P places, C classes, G objects of one image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ovdet.losses import giou_loss, l1_loss, sigmoid_focal
from ovdet.ops import box_iou, generalized_box_iou, match_hungarian, to_centre_side
from ovdet.registry import MODELS
from ovdet.structures import DensePrediction, Regions, Text

_SURE = 1e-8  # keeps the logarithm of the class cost finite


@MODELS.register_module()
@dataclass(frozen=True)
class OwlvitTerms:
    """What the terms of loss and matching cost are multiplied by.

    Attributes:
        classes: Focal loss of the names.
        l1: Distance of centre and sides, as parts of the picture.
        giou: 1 - GIoU.
        objectness: Focal loss of the objectness (v2); not a part of the matching.
        alpha: Of the focal loss.
        gamma: Of the focal loss.
    """

    classes: float = 1.0
    l1: float = 1.0
    giou: float = 1.0
    objectness: float = 1.0
    alpha: float = 0.3
    gamma: float = 2.0


@MODELS.register_module()
class OwlvitCriterion(nn.Module):
    """Focal loss on names, L1 and GIoU on boxes, each normalised an image.

    Args:
        terms: Their weights.
        merge: Objects of one image that overlap by more than this IoU become one with several
            names.
        kept: Share of the places, the most object-like, that learn names and boxes (v2's
            self-training; its details are not published); 1 takes all.

    Raises:
        ValueError: If ``merge`` or ``kept`` is not in (0, 1].
    """

    def __init__(
        self, terms: OwlvitTerms | None = None, *, merge: float = 0.9, kept: float = 1.0
    ) -> None:
        super().__init__()
        for name, value in (("merge", merge), ("kept", kept)):
            if not 0 < value <= 1:
                raise ValueError(f"{name} must be in (0, 1], got {value}")
        self.terms = terms or OwlvitTerms()
        self.merge = merge
        self.kept = kept

    def forward(
        self, prediction: DensePrediction, truth: list[Regions], asked: Tensor, text: Text
    ) -> dict[str, Tensor]:
        """Pair and compare.

        Args:
            prediction: Of B images; ``logits`` [B, P, C].
            truth: Each image's objects; labels index C.
            asked: [B, C], bool: names that an image is not asked for give no loss there.
            text: Not read.

        Returns:
            ``loss_class``, ``loss_l1``, ``loss_giou`` and, where there is a quality,
            ``loss_objectness``: means over images.
        """
        del text
        rows = [
            self._image(prediction.of_images(torch.tensor([index])), objects, asked[index])
            for index, objects in enumerate(truth)
        ]
        return {f"loss_{name}": torch.stack([r[name] for r in rows]).mean() for name in rows[0]}

    def _image(
        self, prediction: DensePrediction, objects: Regions, asked: Tensor
    ) -> dict[str, Tensor]:
        """Return the terms of one image; fields of ``prediction`` are [1, P, ...]."""
        terms = self.terms
        boxes, names = merge_objects(objects, asked, self.merge)
        places = self._places(prediction)
        logits, found = prediction.logits[0, places].float(), prediction.boxes[0, places].float()
        extent = prediction.places[:, 2:].amax(dim=0)  # [2], px
        cost = self.cost(logits, found, boxes, names, extent)
        pairs = match_hungarian(cost)
        targets = torch.zeros_like(logits)
        targets[pairs[:, 0]] = names[pairs[:, 1]]
        focal = sigmoid_focal(logits, targets, alpha=terms.alpha, gamma=terms.gamma)
        near, wanted = found[pairs[:, 0]], boxes[pairs[:, 1]]
        count = max(len(boxes), 1)
        losses = {
            "class": terms.classes * (focal * asked).sum() / names.sum().clamp(min=1),
            "l1": terms.l1 * l1_loss(near, wanted, extent).sum() / count,
            "giou": terms.giou * giou_loss(near, wanted).sum() / count,
        }
        if prediction.quality is not None:
            hit = torch.zeros_like(prediction.quality[0])
            hit[places[pairs[:, 0]]] = 1.0
            object_like = sigmoid_focal(
                prediction.quality[0], hit, alpha=terms.alpha, gamma=terms.gamma
            )
            losses["objectness"] = terms.objectness * object_like.sum() / count
        return losses

    def cost(
        self, logits: Tensor, found: Tensor, boxes: Tensor, names: Tensor, extent: Tensor
    ) -> Tensor:
        """Return what each pair would cost, [P, G]: the terms of the loss with their terms.

        Args:
            logits: [P, C].
            found: [P, 4], xyxy, px.
            boxes: [G, 4], xyxy, px.
            names: [G, C], 1 for each name of an object.
            extent: [2], width and height of the picture, px.
        """
        terms = self.terms
        wrong = 1 - logits.detach().float().sigmoid()
        right = 1 - wrong
        yes = terms.alpha * wrong**terms.gamma * -(right + _SURE).log()
        no = (1 - terms.alpha) * right**terms.gamma * -(wrong + _SURE).log()
        classes = (yes - no) @ names.T  # saying yes to a name ends the loss of saying no
        unit = extent.repeat(2)
        first, second = to_centre_side(found.detach()) / unit, to_centre_side(boxes) / unit
        distance = torch.cdist(first, second, p=1)
        overlap = 1 - generalized_box_iou(found.detach(), boxes)
        return terms.classes * classes + terms.l1 * distance + terms.giou * overlap

    def _places(self, prediction: DensePrediction) -> Tensor:
        """Return the indices of the places that learn names and boxes."""
        count = prediction.boxes.shape[1]
        if self.kept == 1 or prediction.quality is None:
            return torch.arange(count, device=prediction.boxes.device)
        return prediction.quality[0].detach().topk(max(round(count * self.kept), 1)).indices


def merge_objects(objects: Regions, asked: Tensor, iou: float) -> tuple[Tensor, Tensor]:
    """Return objects with all their names; those that lie on each other become one.

    The first object that overlaps takes the later ones' names. What is left without a name that
    is asked for is no object.

    Args:
        objects: Of one image, labelled.
        asked: [C], bool.
        iou: Overlap above which two are one.

    Returns:
        Boxes [G, 4] and names [G, C], 1 for each name an object has.
    """
    labels = objects.labels
    boxes = objects.boxes.float()
    names = torch.zeros(len(boxes), len(asked), device=boxes.device)
    if labels is None or len(boxes) == 0:
        return boxes[:0], names[:0]
    known = labels >= 0
    names[known.nonzero().squeeze(1), labels[known]] = 1.0
    same = box_iou(boxes, boxes) > iou
    first = same.int().argmax(dim=1)  # the first object each one lies on, often itself
    first = first[first]  # and that one's own first: no chains of more than two
    merged = torch.zeros_like(names).index_add(0, first, names).clamp(max=1) * asked
    kept = merged.any(dim=1)
    return boxes[kept], merged[kept]
