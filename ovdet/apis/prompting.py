"""Prompts as a model takes them: rows of words and pictures, and labels made of what they find.

Shapes: N rows, D embedding width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ovdet.apis.inputs import load_picture
from ovdet.ops import unit_norm
from ovdet.ops.prompted import collapse_rows
from ovdet.structures import InputError, Regions, Sample, Vocabulary
from ovdet.structures.prompts import Prompt, Prompts, Rows, Shown
from ovdet.structures.tables import Table


@dataclass(frozen=True, eq=False)
class Question:
    """What a model is asked, and what comes back.

    Attributes:
        asked: The N names that the model scores.
        labels: The classes of the results.
        rows: How the two belong together; None where they are the same.
    """

    asked: Vocabulary
    labels: Vocabulary
    rows: Rows | None = None

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> "Question":
        """Return the question for classes that are asked for by their names alone."""
        return cls(vocabulary, vocabulary)

    def count(self, top_k: int) -> int:
        """Return how many boxes of rows are wanted where ``top_k`` of labels are."""
        if self.rows is None:
            return top_k
        uses = [*self.rows.owner, *(label for _, label in self.rows.against)]
        return top_k * max(uses.count(label) for label in range(len(self.labels)))

    def regions(self, found: Regions) -> Regions:
        """Return what was found in one picture for rows as what was found for labels."""
        if self.rows is None:
            return found
        return collapse_rows(found, torch.tensor(self.rows.owner), self.rows.against)

    def label_map(self, labels: Tensor) -> Tensor:
        """Return a map [H, W] of rows as one of labels; -1 where a negative is the best."""
        if self.rows is None:
            return labels
        owner = torch.tensor((*self.rows.owner, -1), dtype=labels.dtype, device=labels.device)
        return owner[labels.long()]  # -1 is the last


class Questioner:
    """Makes questions of prompts for one model; the last one is kept.

    Args:
        detector: The model; with pictures among the prompts it needs ``embed_boxes(samples,
            regions)`` [R, D] and a text slot that reads tables.
        resize: Makes of a picture's sample what the detector sees.
        name: What messages call the model.
    """

    def __init__(self, detector: Any, resize: Callable[[Sample], Sample], name: str) -> None:
        self.detector = detector
        self.resize = resize
        self.name = name
        self._last: tuple[Prompts, Question] | None = None

    def ask(self, prompts: Prompts) -> Question:
        """Return the question of prompts.

        Raises:
            InputError: If there are pictures and the model cannot look at them, a picture cannot
                be read, or a box lies outside of it.
        """
        if self._last is None or self._last[0] is not prompts:
            self._last = (prompts, self._ask(prompts))
        return self._last[1]

    def forget(self) -> None:
        """Forget the last question, as the model has changed."""
        self._last = None

    def _ask(self, prompts: Prompts) -> Question:
        rows = prompts.rows()
        table = None
        if any(prompt.shown for prompt in prompts.prompts):
            self._check()
            table = Table(self._vectors(prompts, rows), "the prompts' pictures", own=True)
        asked = Vocabulary(rows.names, table=table, groups=rows.groups)
        return Question(asked, prompts.vocabulary, rows)

    def _check(self) -> None:
        reads = getattr(getattr(self.detector, "text", None), "reads_tables", False)
        if not reads or not hasattr(self.detector, "embed_boxes"):
            raise InputError(
                f"{self.name} cannot be shown a picture of what to look for: describe it in words"
            )

    @torch.inference_mode()
    def _vectors(self, prompts: Prompts, rows: Rows) -> Tensor:
        """Return one vector a row, [N, D]: of its word, its label's pictures, or both."""
        seen = [self._look(prompt) for prompt in prompts.prompts]
        words = [name for name, worded in zip(rows.names, rows.worded, strict=True) if worded]
        said: list[Tensor] = []
        if words:
            said = list(self.detector.text(Vocabulary.of(words)).classes.float().cpu())
        vectors = []
        for row, owner in enumerate(rows.owner):
            pictured = None if owner < 0 else seen[owner]
            share = prompts.prompts[owner].image_share
            vectors.append(_mixed(said[row] if rows.worded[row] else None, pictured, share))
        return torch.stack(vectors)

    def _look(self, prompt: Prompt) -> Tensor | None:
        """Return the mean of what is seen in all boxes of a prompt, [D], unit norm."""
        if not prompt.shown:
            return None
        seen = torch.cat([self._embed(shown, prompt.label) for shown in prompt.shown])
        return unit_norm(seen.float().mean(dim=0)).cpu()

    def _embed(self, shown: Shown, label: str) -> Tensor:
        picture = load_picture(shown.picture)
        height, width = picture.size
        boxes = torch.tensor(shown.boxes or ((0.0, 0.0, width, height),), dtype=torch.float32)
        limit = torch.tensor([width, height, width, height])
        outside = (boxes.clamp(min=0).minimum(limit) != boxes).any(dim=1)
        if outside.any():
            box = boxes[outside][0].tolist()
            where = picture.file_name or "the picture"
            raise InputError(
                f"{where}: boxes of {label!r} must lie in the picture of {width} x {height} px, "
                f"got {box}"
            )
        sample = self.resize(picture.to_sample())
        sx, sy = sample.scale
        scaled = boxes * torch.tensor([sx, sy, sx, sy])
        regions = Regions(scaled, torch.zeros(len(boxes), dtype=torch.int64))
        vectors: Tensor = self.detector.embed_boxes([sample], regions)
        return unit_norm(vectors.float())


def _mixed(said: Tensor | None, seen: Tensor | None, share: float) -> Tensor:
    """Return the vector of a word, of pictures, or of both, the pictures with their share."""
    if said is None or seen is None:
        vector = seen if said is None else said
        if vector is None:
            raise RuntimeError("a row has a word or pictures")
        return vector
    return unit_norm((1 - share) * unit_norm(said) + share * seen)
