"""Losses: tensors to a scalar. Never a Flow."""

from ovdet.losses.contrastive import InfoNce
from ovdet.losses.weak import InBatchBce

__all__ = ["InBatchBce", "InfoNce"]
