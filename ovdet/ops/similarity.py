"""Embeddings on the unit sphere. No state."""

import torch.nn.functional as F
from torch import Tensor


def unit_norm(embeddings: Tensor) -> Tensor:
    """Scale the last axis to length 1; a zero vector stays zero.

    Args:
        embeddings: [..., D].

    Returns:
        [..., D].
    """
    return F.normalize(embeddings, dim=-1, eps=1e-6)


def cosine_logits(embeddings: Tensor, classes: Tensor, scale: float | Tensor) -> Tensor:
    """Return ``scale`` times the cosine of every embedding with every class.

    Args:
        embeddings: [R, D], unit norm.
        classes: [C, D], unit norm.
        scale: Inverse temperature.

    Returns:
        [R, C].
    """
    return scale * embeddings @ classes.T
