"""MaskFormer, Mask2Former and OneFormer as proposers: masks, and how sure they are of each.

Cheng et al., "Per-Pixel Classification is Not All You Need", NeurIPS 2021,
https://arxiv.org/abs/2107.06278, and "Masked-attention Mask Transformer", CVPR 2022,
https://arxiv.org/abs/2112.01527; Jain et al., "OneFormer", CVPR 2023,
https://arxiv.org/abs/2211.06220. The classes they were trained on are not read: of their class
logits only "no object" counts. Names come from another model, see ``naming.py``.
Shapes: B images, Q queries, h w cells of a mask, H W px.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ovdet.adapters.transformers.folder import Folder
from ovdet.adapters.transformers.pictures import SizedPictures
from ovdet.registry import MODELS
from ovdet.structures import MaskQueries
from ovdet.vision import PixelNorm

_CLASSES = {
    "maskformer": ("MaskFormerForInstanceSegmentation", "MaskFormerImageProcessor"),
    "mask2former": ("Mask2FormerForUniversalSegmentation", "Mask2FormerImageProcessor"),
    # Its own processor wants the names of a data set, and looks for them on the net.
    "oneformer": ("OneFormerForUniversalSegmentation", "Mask2FormerImageProcessor"),
}
_TASK = "the task is panoptic"


@MODELS.register_module()
class PictureLevels(nn.Module):
    """A trunk that hands on the pictures, for proposals that bring a trunk of their own."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return [B, 3, H, W] as the only level."""
        return [images]


class FolderMasks(nn.Module):
    """The region stage of a mask segmentor; its trunk is ``PictureLevels``.

    Args:
        model: transformers' module.
        pictures: Sample to the sample it sees.
        task: [1, T], what it is asked for, as tokens; None where it takes no task.
    """

    task: Tensor | None

    def __init__(
        self, model: nn.Module, pictures: SizedPictures, task: Tensor | None = None
    ) -> None:
        super().__init__()
        self.model: Any = model
        self.pictures = pictures
        self.norm = PixelNorm(pictures.processor.image_mean, pictures.processor.image_std)
        self.register_buffer("task", task, persistent=False)

    @torch.no_grad()
    def forward(self, levels: list[Tensor]) -> list[MaskQueries]:
        """Propose masks.

        Args:
            levels: The pictures [B, 3, H, W], RGB in [0, 1].

        Returns:
            One layer: masks of Q queries; ``vectors`` [B, Q, 1] are the probabilities, in [0, 1],
            that there is an object.
        """
        pixels = self.norm(levels[0])
        asked = {} if self.task is None else {"task_inputs": self.task.expand(len(pixels), -1)}
        said = self.model(pixel_values=pixels, **asked)
        nothing = said.class_queries_logits.float().softmax(dim=-1)[..., -1:]
        return [MaskQueries(1 - nothing, said.masks_queries_logits.float())]


def build_proposals(folder: Folder) -> FolderMasks:
    """Return the proposer of a folder of any of the kinds."""
    model, kind = _CLASSES[folder.kind]
    defaults, task = {}, None
    if folder.kind == "oneformer":
        defaults = {"size_divisor": 0}
        task = _task(folder)
    pictures = SizedPictures(folder.pictures(kind), square=False, **defaults)
    return FolderMasks(folder.load(model), pictures, task)


def _task(folder: Folder) -> Tensor:
    """Return the tokens of the task, zero behind its end, as transformers' processor does."""
    found = folder.tokenizer()(
        [_TASK],
        padding="max_length",
        truncation=True,
        max_length=folder.facts.task_seq_len,
        return_tensors="pt",
    )
    tokens: Tensor = found["input_ids"] * found["attention_mask"]
    return tokens
