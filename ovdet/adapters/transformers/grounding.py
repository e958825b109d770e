"""Grounding DINO, MM-Grounding DINO and LLMDet: transformers' module, asked for all names at once.

Liu et al., "Grounding DINO", ECCV 2024, https://arxiv.org/abs/2303.05499; Zhao et al., "An Open and
Comprehensive Pipeline for Unified Object Grounding and Detection",
https://arxiv.org/abs/2401.02361. Text and image see each other, so names of one text may change
each other's scores. Names are taken in alphabetical order and cut into texts of the length that the
model was trained with: their order in the vocabulary changes nothing. Each text is encoded once,
the image backbone runs once a picture. Shapes: B images of one size, Q queries, L tokens, C names.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.adapters.transformers.detector import FolderDetector
from ovdet.adapters.transformers.folder import Folder
from ovdet.adapters.transformers.kept import KeptFeatures, KeptText
from ovdet.adapters.transformers.pictures import processed
from ovdet.adapters.transformers.prompts import Prompt, Prompts
from ovdet.ops import box_area, from_centre_side
from ovdet.ops.scores import best_pairs, suppress
from ovdet.structures import Regions, Sample, Vocabulary

_CLASSES = {
    "grounding-dino": "GroundingDinoForObjectDetection",
    "mm-grounding-dino": "MMGroundingDinoForObjectDetection",
}
_PROCESSOR = "GroundingDinoImageProcessor"
_THRESHOLD = 0.25  # that of transformers' own post-processing
_TOP = 300
Inputs = dict[str, Tensor]


class GroundingDetector(FolderDetector):
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
        super().__init__(threshold)
        self.model: Any = model
        inner: Any = model.model
        inner.text_backbone = KeptText(inner.text_backbone)
        inner.backbone.conv_encoder = KeptFeatures(inner.backbone.conv_encoder)
        self.prompts = prompts
        self.processor = processor

    @property
    def encoded(self) -> int:
        """Texts that went through the text tower so far."""
        return int(self.model.model.text_backbone.encoded)

    @torch.no_grad()
    def predict(
        self,
        samples: list[Sample],
        vocabulary: Vocabulary,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> list[Regions]:
        """Find and name objects.

        Args:
            samples: B samples of any sizes, best those of their files. None is padded, so the
                others of a batch change nothing.
            vocabulary: Any C classes.
            threshold: Least score; all when None.
            top_k: Most boxes an image; 300 when None.

        Returns:
            For each sample its regions, best first, in px of the stored image; ``labels`` index
            ``vocabulary``.

        Raises:
            InputError: If a name has no words, or more than the text tower reads.
        """
        names = vocabulary.names
        order = sorted(range(len(names)), key=names.__getitem__)
        prompts = self.prompts.cut([names[row] for row in order])
        found = [Regions.empty()] * len(samples)
        for rows, inputs in self._groups(samples):
            best: list[list[Regions]] = [[] for _ in rows]
            for prompt in prompts:
                boxes, scores = self._ask(inputs, prompt)
                for part, own, points in zip(best, boxes, scores, strict=True):
                    owner = torch.zeros(len(own), dtype=torch.int64, device=own.device)
                    least = 0.0 if threshold is None else threshold
                    pairs = best_pairs(Regions(own, owner), points, least, top_k or _TOP)
                    part.append(pairs.with_(labels=_labels(pairs) + prompt.rows.start))
            self.model.model.backbone.conv_encoder.forget()
            for row, part in zip(rows, best, strict=True):
                found[row] = self._finish(part, samples[row], order, top_k or _TOP)
        return found

    def _groups(self, samples: list[Sample]) -> Iterator[tuple[list[int], Inputs]]:
        """Yield the samples whose pictures have one size as network input, and that input."""
        device = next(self.parameters()).device
        groups: dict[tuple[int, ...], list[tuple[int, Inputs]]] = {}
        for row, sample in enumerate(samples):
            inputs = processed(self.processor, sample.image, normalised=True)
            groups.setdefault(tuple(inputs["pixel_values"].shape), []).append((row, inputs))
        for group in groups.values():
            rows, each = [row for row, _ in group], [inputs for _, inputs in group]
            yield rows, {key: torch.cat([one[key] for one in each]).to(device) for key in each[0]}

    def _ask(self, inputs: Inputs, prompt: Prompt) -> tuple[Tensor, Tensor]:
        """Return boxes [B, Q, 4], xyxy, in parts of the picture, and scores [B, Q, C]."""
        pictures = inputs["pixel_values"]
        ids = torch.tensor(prompt.ids, device=pictures.device).expand(len(pictures), -1)
        outputs = self.model(input_ids=ids, **inputs)
        places = torch.tensor(prompt.places, device=pictures.device)
        owners = torch.tensor(prompt.owners, device=pictures.device)
        tokens = outputs.logits[..., places].float().sigmoid()
        scores = tokens.new_zeros(*tokens.shape[:2], len(prompt.rows))
        index = owners.expand_as(tokens)
        scores = scores.scatter_reduce(2, index, tokens, "amax", include_self=False)
        return from_centre_side(outputs.pred_boxes.float()), scores

    def _finish(self, parts: list[Regions], sample: Sample, order: list[int], top: int) -> Regions:
        """Return the best of what all texts found, in px of the stored image."""
        joined = Regions.gather(parts)
        best = suppress(joined.with_(owner=torch.zeros_like(joined.owner)), None, top)
        height, width = sample.image.shape[1:]
        extent = best.boxes.new_tensor([width, height, width, height])
        boxes = sample.to_original(best.boxes * extent)
        place = torch.tensor(order, device=boxes.device)
        named = best.with_(boxes=boxes, labels=place[_labels(best)])
        return named[box_area(boxes) > 0]


def build_grounding(folder: Folder) -> GroundingDetector:
    """Return the detector of a folder of either kind."""
    facts = folder.facts
    prompts = Prompts(folder.tokenizer(), facts.max_text_len)
    model = folder.load(_CLASSES[folder.kind])
    return GroundingDetector(model, prompts, folder.pictures(_PROCESSOR))


def _labels(regions: Regions) -> Tensor:
    if regions.labels is None:
        raise ValueError("regions must have labels here")
    return regions.labels
