"""Losses: tensors to a scalar. Never a Flow."""

from ovdet.losses.contrastive import GroupedInfoNce, InfoNce, PairedInfoNce, masked_infonce
from ovdet.losses.queue import FeatureQueue

__all__ = ["FeatureQueue", "GroupedInfoNce", "InfoNce", "PairedInfoNce", "masked_infonce"]
