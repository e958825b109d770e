"""Losses: tensors to a scalar. Never a Flow."""

from ovdet.losses.contrastive import InfoNce

__all__ = ["InfoNce"]
