"""Losses: tensors to a scalar. Never a Flow."""

from ovdet.losses.contrastive import InfoNce
from ovdet.losses.gathering import gather_rows, gather_tokens

__all__ = ["InfoNce", "gather_rows", "gather_tokens"]
