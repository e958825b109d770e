"""Detection by example: what to look for is shown in a picture, not named (OWL-ViT, Sec. 3.2).

Shapes: P places of one picture, C classes, D embedding width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.ops import box_iou, generalized_box_iou, unit_norm
from ovdet.registry import MODELS
from ovdet.structures import DensePrediction, InputError, Sample, Vocabulary

_RULES = ("apart", "centre", "random")
Look = Callable[[list[Sample]], DensePrediction]
"""What a dense detector sees in samples, without any name."""


def choose_place(prediction: DensePrediction, box: Tensor, near: float = 0.8) -> int:
    """Return the place whose embedding stands for the object in a box.

    Of the places whose predicted box fits nearly as well as the best one, the one that is least
    like the picture as a whole: many of them see background.

    Args:
        prediction: Of one picture.
        box: [4], xyxy, px of the network input.
        near: How well a box must fit: its IoU over the best IoU, in (0, 1].

    Raises:
        ValueError: If the prediction has no embeddings.
    """
    if prediction.embeddings is None:
        raise ValueError("an example needs a prediction with embeddings, this one has none")
    found, embeddings = prediction.boxes[0].float(), prediction.embeddings[0].float()
    overlap = box_iou(found, box[None].float())[:, 0]
    if overlap.max() > 0:
        fits = overlap >= near * overlap.max()
    else:  # 0.8 of a negative GIoU would be better than the best, so only the best is taken
        distance = generalized_box_iou(found, box[None].float())[:, 0]
        fits = distance >= distance.max()
    likeness = embeddings @ embeddings.mean(dim=0)
    return int(likeness.masked_fill(~fits, float("inf")).argmin())


def centre_place(prediction: DensePrediction, box: Tensor) -> int:
    """Return the place whose cell the centre of a box lies in, or the nearest one."""
    cells = prediction.places.float()
    centre = (box[:2] + box[2:]) / 2
    return int(((cells[:, :2] + cells[:, 2:]) / 2 - centre).square().sum(dim=1).argmin())


@MODELS.register_module()
@dataclass(frozen=True)
class OwlvitRule:
    """How examples become the embedding of a class.

    Attributes:
        shots: Pictures a class; their embeddings are averaged.
        rule: ``apart``: OWL-ViT's; ``centre``: the token at the box's centre; ``random``: a random
            direction, what chance finds.
        near: How well a predicted box must fit, of the best one's IoU.
        seed: Of the draw of the examples, and of the random directions.
    """

    shots: int = 1
    rule: str = "apart"
    near: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rule not in _RULES:
            raise ValueError(f"rule must be one of {_RULES}, got {self.rule!r}")
        if self.shots < 1:
            raise ValueError(f"shots must be at least 1, got {self.shots}")


@MODELS.register_module()
class OwlvitExamples(nn.Module):
    """Class embeddings from labelled pictures, in place of names.

    Args:
        dataset: Samples with labelled boxes, and their ``vocabulary``.
        rule: How examples become an embedding.
    """

    def __init__(self, dataset: Any, rule: OwlvitRule | None = None) -> None:
        super().__init__()
        self.dataset = dataset
        self.rule = rule or OwlvitRule()
        self._known: dict[tuple[str, ...], Tensor] = {}

    def train(self, mode: bool = True) -> "OwlvitExamples":  # noqa: FBT001, FBT002 - torch's own
        """Set the mode; what was seen with weights that may now change is forgotten."""
        self._known.clear()
        super().train(mode)
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._known.clear()
        super()._load_from_state_dict(*args, **kwargs)

    @torch.no_grad()
    def forward(self, look: Look, vocabulary: Vocabulary) -> Tensor:
        """Return [C, D], unit norm, of classes that the data set shows.

        Args:
            look: Samples to the detector's prediction, whose logits are not read.
            vocabulary: C classes.

        Raises:
            InputError: If the data set shows a class fewer than ``shots`` times.
        """
        if vocabulary.names not in self._known:
            self._known = {vocabulary.names: self._embed(look, vocabulary)}
        return self._known[vocabulary.names]

    def _embed(self, look: Look, vocabulary: Vocabulary) -> Tensor:
        shown = self._draw(vocabulary)
        rows = []
        for name in vocabulary.names:
            seen = [self._see(look, index, row) for index, row in shown[name]]
            rows.append(unit_norm(torch.stack(seen).mean(dim=0)))
        vectors = torch.stack(rows)
        if self.rule.rule != "random":
            return vectors
        chance = torch.Generator().manual_seed(self.rule.seed)
        return unit_norm(torch.randn(vectors.shape, generator=chance)).to(vectors.device)

    def _see(self, look: Look, index: int, row: int) -> Tensor:
        sample = self.dataset[index]
        prediction = look([sample])
        if prediction.embeddings is None:
            raise InputError("the detector's head gives no embeddings: it cannot take examples")
        box = sample.truth.boxes[row].to(prediction.boxes.device)
        if self.rule.rule == "centre":
            place = centre_place(prediction, box)
        else:
            place = choose_place(prediction, box, self.rule.near)
        return prediction.embeddings[0, place].float()

    def _draw(self, vocabulary: Vocabulary) -> dict[str, list[tuple[int, int]]]:
        """Return (sample, object) of the first ``shots`` pictures of each class, in random order.

        The order depends on the seed alone, so each class is shown the same whatever is asked for.
        """
        own = self.dataset.vocabulary.names
        missing = dict.fromkeys(vocabulary.names, self.rule.shots)
        shown: dict[str, list[tuple[int, int]]] = {name: [] for name in missing}
        chance = torch.Generator().manual_seed(self.rule.seed)
        for index in torch.randperm(len(self.dataset), generator=chance).tolist():
            labels = self.dataset[index].truth.labels
            named = [] if labels is None else [own[label] for label in labels.tolist()]
            for name in set(named) & set(missing):
                shown[name].append((index, named.index(name)))
                missing[name] -= 1
            missing = {name: count for name, count in missing.items() if count}
            if not missing:
                return shown
        name, count = next(iter(missing.items()))
        raise InputError(f"'{name}' is shown {count} times too few in the examples' data set")
