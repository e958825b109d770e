"""Contrastive losses between two sets of embeddings."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.losses.gathering import gather_rows
from ovdet.losses.queue import FeatureQueue
from ovdet.registry import MODELS


@MODELS.register_module()
class InfoNce(torch.nn.Module):
    """Symmetric softmax over a batch of pairs (CLIP, Radford 2021, Fig. 3).

    Across processes, features are gathered with their gradients and each process scores its own
    rows against all of them; the gradient, averaged over processes, is that of one big batch.
    """

    def forward(self, images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
        """Return the mean of both directions' cross entropies.

        Args:
            images: [B, D], unit norm; row i belongs to row i of ``texts``.
            texts: [B, D], unit norm.
            scale: Inverse temperature, a scalar.
        """
        wide = torch.promote_types(images.dtype, torch.float32)  # scores up to 100 need all bits
        images, texts = images.to(wide), texts.to(wide)
        (all_images, start), (all_texts, _) = gather_rows(images), gather_rows(texts)
        target = torch.arange(len(images), device=images.device) + start
        with torch.autocast(images.device.type, enabled=False):
            by_image = F.cross_entropy(scale * images @ all_texts.T, target)
            by_text = F.cross_entropy(scale * texts @ all_images.T, target)
        return (by_image + by_text) / 2


def masked_infonce(
    queries: Tensor, keys: Tensor, positive: Tensor, ignored: Tensor, scale: float
) -> Tensor:
    """Return the cross entropy of each query with its positives, a mean over the queries with any.

    Args:
        queries: [N, D], unit norm.
        keys: [M, D], unit norm.
        positive: [N, M], bool; those of a query share its target evenly.
        ignored: [N, M], bool, pairs that are neither right nor wrong: out of the softmax.
        scale: Inverse temperature.

    Returns:
        A scalar; 0, still on the graph, where no query has a positive.
    """
    wide = torch.promote_types(queries.dtype, torch.float32)  # scores up to 100 need all bits
    with torch.autocast(queries.device.type, enabled=False):
        logits = scale * queries.to(wide) @ keys.to(wide).T
        logits = logits.masked_fill(ignored & ~positive, float("-inf"))
        count = positive.sum(dim=1)
        # Positives alone are read: the logarithm of what is ignored is minus infinity.
        logs = logits.log_softmax(dim=1).masked_fill(~positive, 0) if len(keys) else logits
        costs = -logs.sum(dim=1) / count.clamp(min=1)
        return costs.sum() / (count > 0).sum().clamp(min=1)


@MODELS.register_module()
class PairedInfoNce(torch.nn.Module):
    """Symmetric InfoNCE of pairs, with queues of earlier negatives (BARON, Wu 2023, Eq. 3).

    Row i of one side belongs to row i of the other. Rows of the same group are views of one thing,
    and queued rows of the same image may be: neither counts as wrong.

    Args:
        dim: D.
        length: Of both queues; 0 contrasts within the batch alone.
        scale: Inverse temperature.
    """

    def __init__(self, dim: int, *, length: int = 1024, scale: float = 30.0) -> None:
        super().__init__()
        self.queues = torch.nn.ModuleList([FeatureQueue(dim, length) for _ in range(2)])
        self.scale = scale

    def forward(self, first: Tensor, second: Tensor, groups: Tensor, images: Tensor) -> Tensor:
        """Return the mean of both directions' cross entropies; in training, fill the queues.

        Args:
            first: [N, D], unit norm.
            second: [N, D], unit norm.
            groups: [N], int64: of what each pair is a view.
            images: [N], int64: the id of the image each pair lies in.
        """
        same = groups[:, None] == groups
        itself = torch.eye(len(first), dtype=torch.bool, device=first.device)
        loss = first.new_zeros(())
        for ours, theirs, queue in zip(
            (first, second), (second, first), (self.queues[1], self.queues[0]), strict=True
        ):
            queued, owners = queue()
            keys = torch.cat([theirs, queued.to(theirs.dtype)])
            positive = torch.cat([itself, itself.new_zeros(len(first), len(queued))], dim=1)
            ignored = torch.cat([same, images[:, None] == owners], dim=1)
            loss = loss + masked_infonce(ours, keys, positive, ignored, self.scale) / 2
        if self.training:
            for queue, rows in zip(self.queues, (first, second), strict=True):
                queue.push(rows, images)  # type: ignore[operator]
        return loss


@MODELS.register_module()
class GroupedInfoNce(torch.nn.Module):
    """Symmetric InfoNCE of two sets in which all of one image belong together, with queues.

    Queued rows ask and answer as those of the batch do (BARON, Wu 2023, Sec. 3.4, captions).

    Args:
        dim: D.
        length: Of both queues; 0 contrasts within the batch alone.
        scale: Inverse temperature.
    """

    def __init__(self, dim: int, *, length: int = 1024, scale: float = 30.0) -> None:
        super().__init__()
        self.queues = torch.nn.ModuleList([FeatureQueue(dim, length) for _ in range(2)])
        self.scale = scale

    def forward(
        self, first: Tensor, second: Tensor, first_images: Tensor, second_images: Tensor
    ) -> Tensor:
        """Return the mean of both directions' cross entropies; in training, fill the queues.

        Args:
            first: [N, D], unit norm.
            second: [M, D], unit norm.
            first_images: [N], int64, ids of the images.
            second_images: [M], int64.
        """
        sides = []
        for queue, rows, images in zip(
            self.queues, (first, second), (first_images, second_images), strict=True
        ):
            queued, owners = queue()
            sides.append((torch.cat([rows, queued.to(rows.dtype)]), torch.cat([images, owners])))
        (ours, mine), (theirs, yours) = sides
        positive = mine[:, None] == yours
        nothing = torch.zeros_like(positive)
        loss = masked_infonce(ours, theirs, positive, nothing, self.scale)
        loss = loss + masked_infonce(theirs, ours, positive.T, nothing.T, self.scale)
        if self.training:
            self.queues[0].push(first, first_images)  # type: ignore[operator]
            self.queues[1].push(second, second_images)  # type: ignore[operator]
        return loss / 2
