"""Embeddings on the unit sphere, and sets of them. No state."""

import torch.nn.functional as F
from torch import Tensor

from ovdet.ops.token_max_sim import token_max_sim
from ovdet.structures import Tokens


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


def compare(queries: Tensor | Tokens, targets: Tensor | Tokens) -> Tensor:
    """Return how much each of A queries finds in each of N targets, [A, N].

    Args:
        queries: [A, D], or A sets of vectors.
        targets: [N, D], or N sets; of the same kind as the queries.

    Returns:
        Dot products; of sets the mean over a query's vectors of their best dot product with one of
        the target's, which is another number when both change places.

    Raises:
        TypeError: If one side is vectors and the other sets.
    """
    if isinstance(queries, Tokens) and isinstance(targets, Tokens):
        return token_max_sim(queries.vectors, targets.vectors, queries.mask, targets.mask)[0]
    if isinstance(queries, Tokens) or isinstance(targets, Tokens):
        kinds = [type(one).__name__ for one in (queries, targets)]
        raise TypeError(f"queries and targets must be of one kind, got {kinds}")
    return queries @ targets.T
