"""Objects as a set: queries and objects are paired one to one, and only then compared.

DETR (Carion et al., ECCV 2020, Sec. 3.1) with the focal cost of Deformable DETR.

Shapes: G groups (an image, or an image under one condition), N queries, S columns, M objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor, nn

from ovdet.heads.queries import to_parts
from ovdet.losses import giou_loss, l1_loss, sigmoid_focal
from ovdet.ops import generalized_box_iou, match_hungarian
from ovdet.registry import MODELS
from ovdet.structures import Regions


@dataclass(frozen=True)
class SetTerms:
    """How much each term counts, as cost and as loss alike.

    Attributes:
        classes: Of the focal term.
        distance: Of the L1 distance between boxes as parts of the canvas.
        overlap: Of the generalized IoU.
    """

    classes: float = 2.0
    distance: float = 5.0
    overlap: float = 2.0


MODELS.register_module()(SetTerms)


@MODELS.register_module()
class SetCriterion(nn.Module):
    """Pairs queries with objects at the least cost and lets them learn from each other.

    Args:
        terms: How much each counts.
        alpha: Share of the positives in the focal term.
        gamma: How much the focal term forgives what is nearly right.
        copies: Queries that each object is paired with; 1 in DETR. More teach faster where no
            query must be told from its twin (proposals), as H-DETR's second branch (Jia 2023).
    """

    def __init__(
        self,
        terms: SetTerms | None = None,
        *,
        alpha: float = 0.25,
        gamma: float = 2.0,
        copies: int = 1,
    ) -> None:
        super().__init__()
        self.terms = terms or SetTerms()
        self.alpha = alpha
        self.gamma = gamma
        self.copies = copies

    def forward(
        self,
        logits: Tensor,
        boxes: Tensor,
        truth: Sequence[Regions],
        size: tuple[int, int],
        learnt: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the losses and the pairs.

        Args:
            logits: [G, N, S].
            boxes: [G, N, 4], xyxy, px.
            truth: G sets of objects; labels are columns, column 0 where there are none.
            size: (H, W) of the canvas, px.
            learnt: [S], bool, the columns that the focal term reads; None for all.

        Returns:
            ``class``, ``distance`` and ``overlap``, scalars: sums over the groups, divided by the
            number of objects (averaged over processes, at least 1); and [G, N], int64, the index of
            each query's object in its group, -1 for none.
        """
        logits, boxes = logits.float(), boxes.float()
        groups = range(len(truth))
        pairs = [self.match(logits[g], boxes[g], truth[g], size) for g in groups]
        matches = torch.full(logits.shape[:2], -1, dtype=torch.int64, device=logits.device)
        for g, pair in enumerate(pairs):
            matches[g, pair[:, 0]] = pair[:, 1]
        group, query = (matches >= 0).nonzero().unbind(dim=1)
        index = matches[group, query] + _starts(truth, matches.device)[group]
        wanted = torch.zeros_like(logits)
        wanted[group, query, torch.cat([_labels(one) for one in truth])[index]] = 1
        found = boxes[group, query]
        goal = torch.cat([one.boxes for one in truth])[index].to(found.dtype)
        count = mean_count(self.copies * sum(len(one) for one in truth), logits.device)
        focal = sigmoid_focal(logits, wanted, alpha=self.alpha, gamma=self.gamma)
        if learnt is not None:
            focal = focal[..., learnt]
        extent = logits.new_tensor([size[1], size[0]])
        distance = l1_loss(found, goal, extent)
        losses = {
            "class": self.terms.classes * focal.sum() / count,
            "distance": self.terms.distance * distance.sum() / count,
            "overlap": self.terms.overlap * giou_loss(found, goal).sum() / count,
        }
        return losses, matches

    @torch.no_grad()
    def match(self, logits: Tensor, boxes: Tensor, truth: Regions, size: tuple[int, int]) -> Tensor:
        """Return the pairs of one group at the least total cost, [P, 2], int64, (query, object).

        Args:
            logits: [N, S].
            boxes: [N, 4], xyxy, px.
            truth: M objects.
            size: (H, W), px.
        """
        if len(truth) == 0:
            return torch.zeros(0, 2, dtype=torch.int64, device=logits.device)
        cost = self.cost(logits, boxes, truth, size)
        pairs = match_hungarian(cost.repeat(1, self.copies))
        return torch.stack([pairs[:, 0], pairs[:, 1] % len(truth)], dim=1)

    def cost(self, logits: Tensor, boxes: Tensor, truth: Regions, size: tuple[int, int]) -> Tensor:
        """Return what it costs to pair each query with each object, [N, M]."""
        is_object = (1 - logits.sigmoid()) ** self.gamma * -F.logsigmoid(logits) * self.alpha
        is_none = logits.sigmoid() ** self.gamma * -F.logsigmoid(-logits) * (1 - self.alpha)
        classes = (is_object - is_none)[:, _labels(truth)]
        goal = truth.boxes.to(boxes.dtype)
        distance = torch.cdist(to_parts(boxes, *size), to_parts(goal, *size), p=1)
        overlap = generalized_box_iou(boxes, goal)
        terms = self.terms
        return terms.classes * classes + terms.distance * distance - terms.overlap * overlap


def mean_count(count: int, device: torch.device) -> Tensor:
    """Return a count averaged over all processes, at least 1, a scalar."""
    total = torch.tensor(float(count), device=device)
    all_reduce(total, op="mean")
    return total.clamp(min=1)


def _labels(objects: Regions) -> Tensor:
    if objects.labels is None:
        return torch.zeros(len(objects), dtype=torch.int64, device=objects.boxes.device)
    return objects.labels


def _starts(truth: Sequence[Regions], device: torch.device) -> Tensor:
    """Return where each group's objects begin when all are put in a row, [G]."""
    counts = torch.tensor([len(one) for one in truth], device=device)
    return counts.cumsum(0) - counts


def prior_bias(prior: float) -> float:
    """Return the logit of a probability in (0, 1): where a focal head starts.

    Raises:
        ValueError: If ``prior`` is not between 0 and 1.
    """
    if not 0 < prior < 1:
        raise ValueError(f"prior must lie between 0 and 1, got {prior}")
    return float(torch.logit(torch.tensor(prior, dtype=torch.float64)))
