"""Queries against text, or against the condition they were given; a head for each decoder layer."""

import torch
from torch import Tensor, nn

from ovdet.heads.sets import prior_bias
from ovdet.ops import cosine_logits, unit_norm
from ovdet.registry import MODELS


@MODELS.register_module()
class QueryClassifier(nn.Module):
    """Each query knows all classes: its projection's cosine with their text, then a sigmoid.

    Args:
        width: d, of the queries.
        dim: D, of the text.
        layers: Decoder layers.
        scale: Inverse temperature at the start; learnt.
        prior: Score of every class before training, about.
        mask_novel: Whether training leaves novel classes' columns alone; False where novel objects
            are labelled too.

    Raises:
        ValueError: If ``scale`` is not positive or ``prior`` not between 0 and 1.
    """

    def __init__(
        self,
        width: int,
        dim: int,
        layers: int,
        *,
        scale: float = 20.0,
        prior: float = 0.01,
        mask_novel: bool = True,
    ) -> None:
        super().__init__()
        if scale <= 0:
            raise ValueError(f"scale must be positive, got {scale}")
        self.project = nn.ModuleList(nn.Linear(width, dim) for _ in range(layers))
        self.log_scale = nn.Parameter(torch.full((layers,), scale).log())
        self.bias = nn.Parameter(torch.full((layers,), prior_bias(prior)))
        self.mask_novel = mask_novel

    def forward(self, hidden: Tensor, classes: Tensor, layer: int) -> Tensor:
        """Return the logits [..., C] of queries [..., d] against classes [C, D], unit norm."""
        embeddings = unit_norm(self.project[layer](hidden).float())
        logits = cosine_logits(embeddings, classes.float(), self.log_scale[layer].exp())
        return logits + self.bias[layer]

    def learnt(self, novel: Tensor) -> Tensor:
        """Return which columns training reads, [C], bool, given which are novel, [C]."""
        return ~novel if self.mask_novel else torch.ones_like(novel)


@MODELS.register_module()
class ConditionClassifier(nn.Module):
    """Each query knows one thing: whether it meets the condition it was given.

    Args:
        width: d, of the queries.
        layers: Decoder layers.
        prior: Score before training.

    Raises:
        ValueError: If ``prior`` is not between 0 and 1.
    """

    def __init__(self, width: int, layers: int, *, prior: float = 0.01) -> None:
        super().__init__()
        self.meets = nn.ModuleList(nn.Linear(width, 1) for _ in range(layers))
        for layer in self.meets:
            nn.init.constant_(layer.bias, prior_bias(prior))  # type: ignore[arg-type]

    def forward(self, hidden: Tensor, classes: Tensor, layer: int) -> Tensor:  # noqa: ARG002
        """Return the logits [..., 1] of queries [..., d]; the classes are in the queries."""
        logits: Tensor = self.meets[layer](hidden)
        return logits.float()

    def learnt(self, novel: Tensor) -> Tensor:
        """Return which columns training reads: the one there is."""
        return torch.ones(1, dtype=torch.bool, device=novel.device)
