"""Grounding DINO, MM-Grounding DINO and LLMDet: transformers' module, asked for all names at once.

Liu et al., "Grounding DINO", ECCV 2024, https://arxiv.org/abs/2303.05499; Zhao et al., "An Open and
Comprehensive Pipeline for Unified Object Grounding and Detection",
https://arxiv.org/abs/2401.02361. Text and image see each other, so names of one text may change
each other's scores. Names are taken in alphabetical order and cut into texts of the length that the
model was trained with: their order in the vocabulary changes nothing. Each text is encoded once,
the image backbone runs once a picture. Shapes: B images of one size, Q queries, L tokens, C names.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.adapters.transformers.folder import Folder
from ovdet.adapters.transformers.fused import FusedDetector
from ovdet.adapters.transformers.kept import KeptFeatures, KeptText
from ovdet.adapters.transformers.pictures import Inputs
from ovdet.adapters.transformers.prompts import Prompt, Prompts
from ovdet.ops import from_centre_side

_CLASSES = {
    "grounding-dino": "GroundingDinoForObjectDetection",
    "mm-grounding-dino": "MMGroundingDinoForObjectDetection",
}
_PROCESSOR = "GroundingDinoImageProcessor"
_THRESHOLD = 0.25  # that of transformers' own post-processing


class GroundingDetector(FusedDetector):
    """Finds names by reading them as one text beside the picture.

    A name's score is that of its best token, as in transformers' post-processing. A query may come
    back under several names.

    Args:
        model: transformers' module.
        prompts: Writes names.
        processor: transformers' image processor.
        threshold: Least score of an object shown when the user names none.
    """

    def __init__(
        self, model: nn.Module, prompts: Prompts, processor: Any, threshold: float = _THRESHOLD
    ) -> None:
        super().__init__(processor, threshold)
        self.model: Any = model
        inner: Any = model.model
        inner.text_backbone = KeptText(inner.text_backbone)
        inner.backbone.conv_encoder = KeptFeatures(inner.backbone.conv_encoder)
        self.prompts = prompts

    @property
    def encoded(self) -> int:
        """Texts that went through the text tower so far."""
        return int(self.model.model.text_backbone.encoded)

    def questions(self, names: Sequence[str]) -> list[tuple[list[int], Prompt]]:
        """Return the texts that names fill in alphabetical order, each with the names' rows.

        Raises:
            InputError: If a name has no words, or more than the text tower reads.
        """
        order = sorted(range(len(names)), key=names.__getitem__)
        prompts = self.prompts.cut([names[row] for row in order])
        return [([order[row] for row in prompt.rows], prompt) for prompt in prompts]

    def look(self, inputs: Inputs) -> Inputs:
        """Return the pictures: their features are kept when the first text comes."""
        return inputs

    def forget(self) -> None:
        """Let go of the pictures."""
        self.model.model.backbone.conv_encoder.forget()

    def ask(self, seen: Inputs, question: Prompt) -> tuple[Tensor, Tensor]:
        """Return boxes [B, Q, 4], xyxy, in parts of the picture, and scores [B, Q, C]."""
        pictures = seen["pixel_values"]
        ids = torch.tensor(question.ids, device=pictures.device).expand(len(pictures), -1)
        outputs = self.model(input_ids=ids, **seen)
        places = torch.tensor(question.places, device=pictures.device)
        owners = torch.tensor(question.owners, device=pictures.device)
        tokens = outputs.logits[..., places].float().sigmoid()
        scores = tokens.new_zeros(*tokens.shape[:2], len(question.rows))
        index = owners.expand_as(tokens)
        scores = scores.scatter_reduce(2, index, tokens, "amax", include_self=False)
        return from_centre_side(outputs.pred_boxes.float()), scores


def build_grounding(folder: Folder) -> GroundingDetector:
    """Return the detector of a folder of either kind."""
    facts = folder.facts
    prompts = Prompts(folder.tokenizer(), facts.max_text_len)
    model = folder.load(_CLASSES[folder.kind])
    return GroundingDetector(model, prompts, folder.pictures(_PROCESSOR))
