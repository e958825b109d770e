"""Losses: tensors to a scalar, or to one number a row. Never a Flow."""

from ovdet.losses.boxes import giou_loss, l1_loss
from ovdet.losses.classification import PixelCrossEntropy, sigmoid_focal
from ovdet.losses.contrastive import GroupedInfoNce, InfoNce, PairedInfoNce, masked_infonce
from ovdet.losses.gathering import gather_rows, gather_tokens
from ovdet.losses.masks import dice_loss, pair_dice, pair_focal
from ovdet.losses.pixels import PixelBinaryCrossEntropy
from ovdet.losses.queue import FeatureQueue
from ovdet.losses.weak import InBatchBce

__all__ = [
    "FeatureQueue",
    "GroupedInfoNce",
    "InBatchBce",
    "InfoNce",
    "PairedInfoNce",
    "PixelBinaryCrossEntropy",
    "PixelCrossEntropy",
    "dice_loss",
    "gather_rows",
    "gather_tokens",
    "giou_loss",
    "l1_loss",
    "masked_infonce",
    "pair_dice",
    "pair_focal",
    "sigmoid_focal",
]
