"""Masks as a set: queries and objects are paired one to one, and only then compared.

MaskFormer (Cheng et al., NeurIPS 2021, Sec. 3.3), and Mask2Former (Cheng et al., CVPR 2022,
Sec. 3.3.1) where masks are compared at points.

Shapes: B images, Q queries, C classes, M objects, P pixels or points, N pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.heads.sets import mean_count
from ovdet.losses import dice_loss, pair_dice, pair_focal, sigmoid_focal
from ovdet.ops import match_hungarian
from ovdet.ops.points import sample_points, uncertain_points
from ovdet.registry import MODELS
from ovdet.structures import InputError, MaskQueries, Regions


@dataclass(frozen=True)
class MaskTerms:
    """How much each term counts, as cost and as loss alike.

    Attributes:
        classes: Of the class: the cross entropy as loss, minus the probability as cost.
        pixels: Of the focal loss or the cross entropy of the masks.
        dice: Of the dice loss of the masks.
    """

    classes: float = 1.0
    pixels: float = 20.0
    dice: float = 1.0


MODELS.register_module()(MaskTerms)


@MODELS.register_module()
class MaskSetCriterion(nn.Module):
    """Pairs queries with objects at the least cost and lets them learn from each other.

    Args:
        terms: How much each counts.
        void: Weight of a query without an object in the cross entropy of the classes.
        alpha: Share of the inside in the focal loss; None with ``gamma`` 0 is the cross entropy.
        gamma: How much the focal loss forgives what is nearly right.
        points: P, at how many points masks are compared; None compares every pixel, pairs being
            chosen at the size of the logits.
    """

    def __init__(
        self,
        terms: MaskTerms | None = None,
        *,
        void: float = 0.1,
        alpha: float | None = 0.25,
        gamma: float = 2.0,
        points: int | None = None,
    ) -> None:
        super().__init__()
        self.terms = terms or MaskTerms()
        self.void = void
        self.focal = {"alpha": alpha, "gamma": gamma}
        self.points = points

    def forward(
        self, queries: MaskQueries, logits: Tensor, truth: Sequence[Regions]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the losses and the pairs.

        Args:
            queries: Masks of B images.
            logits: [B, Q, C + 1], the void last.
            truth: B sets of objects with labels below C and ``masks`` [M, H, W], bool, over the
                canvas.

        Returns:
            ``class``, ``mask`` and ``dice``, scalars, the latter two sums over the pairs, divided
            by the number of objects (averaged over processes, at least 1); and [B, Q], int64, the
            index of each query's object in its image, -1 for none.

        Raises:
            InputError: If an image has objects without masks or labels.
        """
        logits, masks = logits.float(), queries.logits.float()
        facts = [_facts(one) for one in truth]
        matches = torch.full(logits.shape[:2], -1, dtype=torch.int64, device=logits.device)
        wanted = torch.full_like(matches, logits.shape[2] - 1)
        goals = []
        for image, (labels, goal) in enumerate(facts):
            pairs = self.match(logits[image], masks[image], labels, goal)
            matches[image, pairs[:, 0]] = pairs[:, 1]
            wanted[image, pairs[:, 0]] = labels[pairs[:, 1]]
            goals += [goal[pairs[:, 1]]] if len(pairs) else []
        count = mean_count(sum(len(labels) for labels, _ in facts), logits.device)
        losses = {"class": self.terms.classes * self._classes(logits, wanted)}
        losses |= self._masks(masks[matches >= 0], goals, count)
        return losses, matches

    def _classes(self, logits: Tensor, wanted: Tensor) -> Tensor:
        weights = logits.new_ones(logits.shape[2])
        weights[-1] = self.void
        return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), weights)

    def _masks(self, masks: Tensor, goals: list[Tensor], count: Tensor) -> dict[str, Tensor]:
        """Return the terms of the paired masks [N, h, w] and their goals, N masks in all."""
        if not goals:
            return {"mask": masks.sum() * 0, "dice": masks.sum() * 0}
        goal = torch.cat(goals).float()
        if self.points is None:
            larger = F.interpolate(
                masks[:, None], goal.shape[-2:], mode="bilinear", align_corners=False
            )
            rows, wanted = larger.flatten(1), goal.flatten(1)
        else:
            places = uncertain_points(masks, self.points)
            rows, wanted = sample_points(masks, places), sample_points(goal, places)
        each = sigmoid_focal(rows, wanted, **self.focal)  # type: ignore[arg-type]
        return {
            "mask": self.terms.pixels * each.mean(dim=1).sum() / count,
            "dice": self.terms.dice * dice_loss(rows, wanted).sum() / count,
        }

    @torch.no_grad()
    def match(self, logits: Tensor, masks: Tensor, labels: Tensor, goal: Tensor) -> Tensor:
        """Return the pairs of one image at the least total cost, [P, 2], int64, (query, object).

        Args:
            logits: [Q, C + 1].
            masks: [Q, h, w], logits.
            labels: [M].
            goal: [M, H, W], bool.
        """
        if len(labels) == 0:
            return torch.zeros(0, 2, dtype=torch.int64, device=logits.device)
        rows, wanted = self._comparable(masks, goal.float())
        cost = -self.terms.classes * logits.softmax(dim=1)[:, labels]
        cost = cost + self.terms.pixels * pair_focal(rows, wanted, **self.focal)  # type: ignore[arg-type]
        return match_hungarian(cost + self.terms.dice * pair_dice(rows, wanted))

    def _comparable(self, masks: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
        """Return [Q, P] and [M, P]: the same places of all masks."""
        if self.points is None:
            near = F.interpolate(goal[:, None], masks.shape[-2:], mode="nearest")
            return masks.flatten(1), near.flatten(1)
        places = torch.rand(1, self.points, 2, device=masks.device)
        return (
            sample_points(masks, places.expand(len(masks), -1, -1)),
            sample_points(goal, places.expand(len(goal), -1, -1)),
        )


def _facts(objects: Regions) -> tuple[Tensor, Tensor]:
    """Return the labels [M] and masks [M, H, W] of an image's objects."""
    if len(objects) == 0:
        empty = torch.zeros(0, dtype=torch.int64, device=objects.boxes.device)
        return empty, torch.zeros(0, 1, 1, device=objects.boxes.device)
    if objects.masks is None or objects.labels is None:
        raise InputError("masks are learnt from objects with masks and labels, got none")
    return objects.labels, objects.masks
