"""The scores slot: logits of one or several branches to scores."""

import torch
from torch import Tensor, nn

from ovdet.ops.scores import fuse_geometric
from ovdet.registry import MODELS


@MODELS.register_module()
class FirstScores(nn.Module):
    """The first branch's probabilities."""

    def forward(self, probabilities: list[Tensor], novel: Tensor) -> Tensor:  # noqa: ARG002
        """Return [R, C], in [0, 1]."""
        return probabilities[0]


@MODELS.register_module()
class GeometricScores(nn.Module):
    """A geometric mean of two branches, weighted by whether a class is novel (ViLD, Eq. 5).

    Args:
        base_share: Exponent of the second branch on base classes, in [0, 1].
        novel_share: Exponent of the second branch on novel classes, in [0, 1].
        normalize: Whether a region's scores and its background are scaled to a sum of 1 again. The
            background is what the first branch leaves of 1, so it must be a softmax.
        mean_base: Whether the second branch's probabilities of base classes are all replaced by
            their mean, for a branch that is believed about novel classes alone. Where no class is
            novel nothing says which were learnt, and the branch is believed about all.

    Raises:
        ValueError: If a share lies outside [0, 1].
    """

    def __init__(
        self,
        *,
        base_share: float = 1 / 3,
        novel_share: float = 2 / 3,
        normalize: bool = False,
        mean_base: bool = False,
    ) -> None:
        super().__init__()
        for share in (base_share, novel_share):
            if not 0 <= share <= 1:
                raise ValueError(f"a share must lie in [0, 1], got {share}")
        self.base_share = base_share
        self.novel_share = novel_share
        self.normalize = normalize
        self.mean_base = mean_base

    def forward(self, probabilities: list[Tensor], novel: Tensor) -> Tensor:
        """Return [R, C], in [0, 1].

        Args:
            probabilities: Two of [R, C].
            novel: [C], bool.
        """
        first, second = probabilities
        base = ~novel.to(torch.bool)
        if self.mean_base and base.any() and not base.all():
            mean = second[:, base].mean(dim=1, keepdim=True)
            second = torch.where(base, mean, second)
        fused = fuse_geometric(
            first,
            second,
            novel.to(torch.bool),
            base_share=self.base_share,
            novel_share=self.novel_share,
        )
        if not self.normalize:
            return fused
        background = (1 - first.sum(dim=1, keepdim=True)).clamp(min=0)
        return fused / (fused.sum(dim=1, keepdim=True) + background)
