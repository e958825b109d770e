"""GLIP: detection as grounding, every place learns which tokens of a caption it shows.

Li et al., "Grounded Language-Image Pre-training", CVPR 2022, https://arxiv.org/abs/2112.03857,
Sec. 3.1 (alignment with tokens), 3.2 (deep fusion) and 5.2 (prompt tuning).

Slots: the criterion of a dense detector, and the text slot while prompts are tuned. Fusion,
captions and the head that compares places with tokens are shared parts, chosen in
configs/methods/glip/. Shapes: B images, P places, C classes, N tokens that are classes' own,
T tokens a class, D width.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn

from ovdet.heads import token_owners
from ovdet.losses import giou_loss, sigmoid_focal
from ovdet.ops import assign_atss, centerness
from ovdet.registry import MODELS
from ovdet.structures import DensePrediction, InputError, Regions, Sample, Text, Vocabulary
from ovdet.text import clean_names

_MAPS = ("binary", "soft")


@MODELS.register_module()
class GlipCriterion(nn.Module):
    """ATSS with tokens instead of classes (Eq. 2 to 4): alignment, boxes and centerness.

    Args:
        alpha: Weight of positives in the focal loss of places against tokens.
        gamma: Its exponent.
        box_weight: Multiplies the GIoU loss.
        top: Anchors of a level that an object considers.
        positive: ``binary`` gives every token of an object's phrase the target 1, ``soft`` 1 / n.

    Raises:
        ValueError: If ``positive`` is neither.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.25,
        gamma: float = 2.0,
        box_weight: float = 2.0,
        top: int = 9,
        positive: str = "binary",
    ) -> None:
        super().__init__()
        if positive not in _MAPS:
            raise ValueError(f"positive must be one of {_MAPS}, got {positive!r}")
        self.alpha = alpha
        self.gamma = gamma
        self.box_weight = box_weight
        self.top = top
        self.positive = positive

    def forward(
        self, prediction: DensePrediction, truth: Sequence[Regions], asked: Tensor, text: Text
    ) -> dict[str, Tensor]:
        """Compare predictions with truth.

        Args:
            prediction: Of B images, logits [B, P, N].
            truth: Each image's objects; one that several classes name stands several times.
            asked: [B, C], bool, which classes are asked for in which image.
            text: C classes.

        Returns:
            ``loss_align``, ``loss_box`` and ``loss_center``; the last two are 0, still on the
            graph, where no anchor has an object.
        """
        owners = token_owners(text)  # [N]
        targets = torch.zeros_like(prediction.logits, dtype=torch.float32)
        wanted = torch.zeros_like(prediction.boxes)
        positive = torch.zeros(prediction.boxes.shape[:2], dtype=torch.bool, device=owners.device)
        counts = torch.unique_consecutive(_sides(prediction.places), return_counts=True)[1]
        for row, objects in enumerate(truth):
            boxes, named = objects_of(objects, len(text.classes))
            matches = assign_atss(prediction.places, counts.tolist(), boxes, top=self.top)
            positive[row] = matches >= 0
            found = matches[positive[row]]
            wanted[row, positive[row]] = boxes[found].to(wanted.dtype)
            targets[row, positive[row]] = self._share(named, owners)[found]
        count = _average(positive.sum()).clamp(min=1)
        align = sigmoid_focal(prediction.logits, targets, alpha=self.alpha, gamma=self.gamma)
        align = align.masked_fill(~asked[:, None, owners], 0.0)
        losses = {"loss_align": align.sum() / count}
        return losses | self._place(prediction, wanted, positive, count)

    def _share(self, named: Tensor, owners: Tensor) -> Tensor:
        """Return the targets [G, N] of tokens for objects that have classes [G, C]."""
        targets = named[:, owners].float()
        if self.positive == "soft":
            targets = targets / targets.sum(dim=1, keepdim=True).clamp(min=1)
        return targets

    def _place(
        self, prediction: DensePrediction, wanted: Tensor, positive: Tensor, count: Tensor
    ) -> dict[str, Tensor]:
        boxes, targets = prediction.boxes[positive].float(), wanted[positive]
        places = prediction.places.expand(len(positive), -1, 4)[positive]
        middle = centerness(places, targets)
        giou = giou_loss(boxes, targets) * middle
        total = _average(middle.sum()).clamp(min=1e-6)
        if prediction.quality is None:
            return {"loss_box": self.box_weight * giou.sum() / total}
        quality = prediction.quality[positive].float()
        centre = F.binary_cross_entropy_with_logits(quality, middle, reduction="sum")
        return {
            "loss_box": self.box_weight * giou.sum() / total,
            "loss_center": centre / count,
        }


def objects_of(truth: Regions, classes: int) -> tuple[Tensor, Tensor]:
    """Return the distinct boxes [G, 4] of an image and the classes of each, bool [G, C]."""
    labels = truth.labels
    if labels is None or len(truth) == 0:
        return truth.boxes[:0], truth.boxes.new_zeros(0, classes, dtype=torch.bool)
    boxes, index = torch.unique(truth.boxes, dim=0, return_inverse=True)
    named = torch.zeros(len(boxes), classes, dtype=torch.bool, device=boxes.device)
    known = labels >= 0
    named[index[known], labels[known]] = True
    return boxes, named


def _sides(places: Tensor) -> Tensor:
    """Return the anchors' sides [P], which tell the levels apart, px."""
    return (places[:, 2] - places[:, 0]).round()


def _average(value: Tensor) -> Tensor:
    """Return the mean over all processes, without a graph."""
    value = value.detach().float()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(value)
        value = value / torch.distributed.get_world_size()
    return value


@MODELS.register_module()
class GlipPromptText(nn.Module):
    """Text whose tokens for known names carry learnt offsets (Sec. 5.2, "language prompt").

    The offset of a token starts at zero, so that nothing changes before something is learnt. Names
    that are not among the known ones never change.

    Args:
        text: The text slot that is tuned, each name in a row of its own; it learns nothing here.
        names: K names.

    Attributes:
        offsets: For each name [T, D], T its tokens, markers included.
        enabled: Whether the offsets are added.
    """

    def __init__(self, text: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.text: Any = text.requires_grad_(False)
        encoder = self.text.encoder
        clean = clean_names(Vocabulary.of(names).names)
        self.names = {name: row for row, name in enumerate(clean)}
        lengths = [len(encoder.tokenizer.pieces(name)) + 2 for name in clean]
        self.offsets = nn.ParameterList(torch.zeros(length, encoder.dim) for length in lengths)
        self.enabled = True

    def forward(self, vocabulary: Vocabulary) -> Text:
        """Return the tuned text of C classes.

        Raises:
            InputError: If the text does not keep the tokens of each name in a row of its own.
        """
        text: Text = self.text(vocabulary)
        clean = clean_names(vocabulary.names)
        known = [(c, self.names[name]) for c, name in enumerate(clean) if name in self.names]
        if not self.enabled or not known:
            return text
        if text.tokens is None or text.token_mask is None:
            raise InputError("prompts are tuned token by token: the text slot must keep tokens")
        moved = torch.zeros_like(text.tokens)
        for c, name in known:
            offset = self.offsets[name]
            if int(text.token_mask[c].sum()) != len(offset):
                raise InputError(f"'{clean[c]}' must have {len(offset)} tokens in its row")
            moved[c, : len(offset)] = offset.to(moved.dtype)
        return text.with_tokens(text.tokens + moved)

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Return the class vectors [N, D] of N words, without offsets."""
        vectors: Tensor = self.text.encode_words(words)
        return vectors

    def cut(self, vocabulary: Vocabulary, most: int | None = None) -> list[range]:
        """Return the runs of names that go through a fusion together."""
        runs: list[range] = self.text.cut(vocabulary, most)
        return runs


@MODELS.register_module()
class GlipPromptTuning(BaseModel):  # type: ignore[misc]
    """A detector of which only the offsets of names' tokens learn.

    Gradients pass through the other parts, which stay as they are and in evaluation mode.

    Args:
        detector: With a text slot that keeps tokens.
        names: The names that are tuned, or the file of a vocabulary.

    Raises:
        InputError: If the file is no vocabulary.
    """

    def __init__(self, detector: nn.Module, names: Sequence[str] | str) -> None:
        super().__init__()
        self.detector: Any = detector.requires_grad_(False)
        wanted = Vocabulary.load(names).names if isinstance(names, str) else names
        self.detector.text = GlipPromptText(self.detector.text, wanted)

    def forward(self, samples: list[Sample], mode: str = "loss") -> Any:
        """Learn from samples or predict on them, as the detector does."""
        return self.detector(samples, mode)

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The classes of the labels and of ``forward``."""
        asked: Vocabulary | None = self.detector.vocabulary
        return asked

    @vocabulary.setter
    def vocabulary(self, vocabulary: Vocabulary | None) -> None:
        self.detector.vocabulary = vocabulary

    @property
    def text(self) -> nn.Module:
        """The text slot, offsets included."""
        slot: nn.Module = self.detector.text
        return slot

    def train(self, mode: bool = True) -> "GlipPromptTuning":  # noqa: FBT001, FBT002 - torch's own
        """Set the mode of the wrapper alone; the detector stays in evaluation mode."""
        super().train(mode)
        self.detector.eval()
        return self
