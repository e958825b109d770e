"""Losses: tensors to a scalar, or to one number a row. Never a Flow."""

from ovdet.losses.boxes import giou_loss, l1_loss
from ovdet.losses.classification import sigmoid_focal
from ovdet.losses.contrastive import InfoNce

__all__ = ["InfoNce", "giou_loss", "l1_loss", "sigmoid_focal"]
