"""Losses: tensors to a scalar. Never a Flow."""

from ovdet.losses.contrastive import InfoNce
from ovdet.losses.tokens import TokenFocal

__all__ = ["InfoNce", "TokenFocal"]
