"""Detectors in which names and picture see each other: asked in questions, a few names at a time.

What is computed without names is computed once a picture, whatever the number of questions.
Shapes: B images of one size, Q queries, C names of a question.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ovdet.adapters.transformers.detector import FolderDetector
from ovdet.adapters.transformers.pictures import Inputs, same_sized
from ovdet.ops import box_area
from ovdet.ops.scores import best_pairs, suppress
from ovdet.structures import Regions, Sample, Vocabulary

_TOP = 300


class FusedDetector(FolderDetector):
    """What such detectors share; they say how names become questions and how these are answered.

    Args:
        processor: transformers' image processor.
        threshold: Least score of an object shown when the user names none.
        nms: Overlap above which the lower-scored box of the same name is dropped; None drops none.
    """

    def __init__(self, processor: Any, threshold: float, nms: float | None = None) -> None:
        super().__init__(threshold)
        self.processor = processor
        self.nms = nms

    def questions(self, names: Sequence[str]) -> Sequence[tuple[Sequence[int], Any]]:
        """Return questions that together hold all names: the names' rows, and what ``ask`` takes.

        Raises:
            InputError: If a name cannot be asked for.
        """
        raise NotImplementedError

    def look(self, inputs: Inputs) -> Any:
        """Return what is seen in pictures before any name."""
        raise NotImplementedError

    def ask(self, seen: Any, question: Any) -> tuple[Tensor, Tensor]:
        """Return boxes [B, Q, 4], xyxy, in parts of the picture, and scores [B, Q, C]."""
        raise NotImplementedError

    def forget(self) -> None:
        """Let go of the pictures last looked at."""

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
        least, top = 0.0 if threshold is None else threshold, top_k or _TOP
        questions = self.questions(vocabulary.names)
        found = [Regions.empty()] * len(samples)
        for rows, inputs in same_sized(self.processor, samples, next(self.parameters()).device):
            seen = self.look(inputs)
            parts: list[list[Regions]] = [[] for _ in rows]
            for names, question in questions:
                answers = zip(parts, *self.ask(seen, question), strict=True)
                for part, boxes, scores in answers:
                    part.append(self._pairs(boxes, scores, names, least, top))
            self.forget()
            for row, part in zip(rows, parts, strict=True):
                found[row] = self._finish(part, samples[row], top)
        return found

    def _pairs(
        self, boxes: Tensor, scores: Tensor, names: Sequence[int], least: float, top: int
    ) -> Regions:
        """Return the best boxes of one picture under names of a question, by the names' rows."""
        owner = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
        # As transformers does: as many pairs as there are queries enter suppression.
        count = top if self.nms is None else len(boxes)
        pairs = best_pairs(Regions(boxes, owner), scores, least, count)
        return pairs.with_(labels=torch.tensor(names, device=boxes.device)[_labels(pairs)])

    def _finish(self, parts: list[Regions], sample: Sample, top: int) -> Regions:
        """Return the best of what all questions found, in px of the stored image."""
        joined = Regions.gather(parts)
        height, width = sample.image.shape[1:]
        extent = joined.boxes.new_tensor([width, height, width, height])
        owner = torch.zeros_like(joined.owner)
        best = suppress(joined.with_(boxes=joined.boxes * extent, owner=owner), self.nms, top)
        boxes = sample.to_original(best.boxes)
        return best.with_(boxes=boxes)[box_area(boxes) > 0]


def _labels(regions: Regions) -> Tensor:
    if regions.labels is None:
        raise ValueError("regions must have labels here")
    return regions.labels
