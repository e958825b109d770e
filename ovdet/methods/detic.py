"""Detic: pictures that only say what they show teach a detector's classifier.

Zhou et al., "Detecting Twenty-thousand Classes using Image-level Supervision", ECCV 2022,
https://arxiv.org/abs/2201.02605, Sec. 4.

Slot: objectives. The sigmoid classifier, the classes a step leaves out and the batches of several
sources are shared parts, chosen in configs/methods/detic/. Shapes: B images without boxes,
P proposals of one image, C classes, D embedding width.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.losses import InBatchBce
from ovdet.ops import box_area, unit_norm
from ovdet.registry import MODELS
from ovdet.structures import Flow, Regions, Sample
from ovdet.text import TextEncoder

Choice = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(boxes [P, 4], the label's logits [P], the label's losses [P]) to the proposal that learns."""

_CHOICES: dict[str, Choice] = {
    "max_size": lambda boxes, _logits, _losses: box_area(boxes).argmax(),
    "max_score": lambda _boxes, logits, _losses: logits.argmax(),
    "min_loss": lambda _boxes, _logits, losses: losses.argmin(),
    "first": lambda boxes, _logits, _losses: boxes.new_zeros((), dtype=torch.int64),
    "image": lambda boxes, _logits, _losses: torch.tensor(len(boxes) - 1, device=boxes.device),
}
_EPSILON = 1e-6


@MODELS.register_module()
class DeticImageLabels(nn.Module):
    """Imposes each label of a picture on one of its proposals (Sec. 4, Eq. 3).

    Labels are taken one at a time: for the proposal that is chosen for a label all other classes
    are negatives. Boxes learn nothing here. The labels of a sample that is not ``boxed`` are its
    ``positive`` classes.

    Args:
        select: Which proposal learns a label: the largest (``max_size``, the paper's), the one with
            the label's highest score (``max_score``) or least loss (``min_loss``), the best object
            (``first``), or the whole picture (``image``). ``wsddn`` lets all learn, each with a
            share that is learnt (Bilen and Vedaldi, CVPR 2016).
        count: P, the best proposals of each picture; 128 in the paper, 32 for COCO.
        weight: Multiplies the loss, a sum over C and a mean over labels and pictures.
        dim: D, for ``wsddn`` alone.

    Raises:
        ValueError: If ``select`` is unknown, ``count`` below 1, or ``dim`` not given for ``wsddn``
            alone.
    """

    def __init__(
        self,
        *,
        select: str = "max_size",
        count: int = 128,
        weight: float = 0.1,
        dim: int | None = None,
    ) -> None:
        super().__init__()
        known = (*_CHOICES, "wsddn")
        if select not in known:
            raise ValueError(f"select must be one of {known}, got {select!r}")
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        if (dim is not None) != (select == "wsddn"):
            raise ValueError(f"dim goes with select 'wsddn' alone, got {dim} with {select!r}")
        self.select = select
        self.count = count
        self.weight = weight
        if dim is not None:
            self.attend = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(self, flow: Flow) -> dict[str, Tensor]:
        """Return the loss of the pictures that have labels and no boxes.

        Args:
            flow: Reads ``samples``, ``proposals``; asks ``embed`` and ``classify``, whose logits
                must be [R, C], each for a sigmoid.

        Returns:
            ``loss_image_labels``, a scalar; 0, still on the graph, without such pictures.
        """
        labelled = [bool(s.positive) and not s.boxed for s in flow.samples]
        if not any(labelled) or flow.embed is None or flow.classify is None:
            return {"loss_image_labels": flow.features[0].sum() * 0}
        regions = Regions.gather(
            [self._candidates(flow, i) if has else _nothing(flow) for i, has in enumerate(labelled)]
        )
        embeddings = flow.embed(regions, 0)
        logits = flow.classify(embeddings, 0)  # [R, C]
        shares = None
        if self.select == "wsddn":
            shares = flow.classify(unit_norm(self.attend(embeddings)), 0)
        losses = []
        for index, sample in enumerate(flow.samples):
            if labelled[index]:
                rows = regions.owner == index
                own = None if shares is None else shares[rows].softmax(dim=0)
                losses.append(self._of_image(sample, regions.boxes[rows], logits[rows], own))
        return {"loss_image_labels": self.weight * torch.stack(losses).mean()}

    def _candidates(self, flow: Flow, index: int) -> Regions:
        """Return a picture's best proposals; last of all the whole picture, where it is asked."""
        found = _nothing(flow) if flow.proposals is None else flow.proposals.of_image(index)
        best = Regions(found.boxes[: self.count].detach(), found.owner[: self.count])
        if self.select != "image" and len(best):
            return best
        whole = whole_image(flow.samples[index]).to(best.boxes.device)
        boxes = torch.cat([best.boxes, whole.boxes])
        return Regions(boxes, torch.cat([best.owner, whole.owner]))

    def _of_image(
        self, sample: Sample, boxes: Tensor, logits: Tensor, shares: Tensor | None
    ) -> Tensor:
        """Return the mean loss of a picture's labels: boxes [P, 4], logits and shares [P, C]."""
        of_labels = []
        for label in sample.positive:
            if shares is not None:
                of_labels.append(_one_hot_loss((logits.sigmoid() * shares).sum(dim=0), label))
                continue
            each = F.softplus(logits).sum(dim=1) - logits[:, label]  # [P], of one-hot targets
            chosen = _CHOICES[self.select](boxes, logits[:, label], each)
            of_labels.append(each[chosen])
        return torch.stack(of_labels).mean()


@MODELS.register_module()
class DeticCaptions(nn.Module):
    """The whole picture says yes to its own caption and no to the others of the batch (Sec. 4).

    Args:
        encoder: Sentences to [N, D]. Frozen here.
        loss: ([B, D], [B, D], scale) to a scalar.
        scale: Inverse temperature, as the classifier's.
        weight: Multiplies the loss.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        *,
        loss: nn.Module | None = None,
        scale: float = 50.0,
        weight: float = 0.1,
    ) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(requires_grad=False).eval()
        self.loss = InBatchBce() if loss is None else loss
        self.scale = scale
        self.weight = weight

    def forward(self, flow: Flow) -> dict[str, Tensor]:
        """Return the loss of the pictures that have captions and no boxes, one caption each.

        Args:
            flow: Reads ``samples``; asks ``embed``.

        Returns:
            ``loss_captions``, a scalar; 0, still on the graph, without such pictures.
        """
        told = [() if sample.boxed else sample.captions for sample in flow.samples]
        if not any(told) or flow.embed is None:
            return {"loss_captions": flow.features[0].sum() * 0}
        pairs = zip(flow.samples, told, strict=True)
        whole = Regions.gather([whole_image(s) if own else Regions.empty() for s, own in pairs])
        images = flow.embed(whole.to(flow.images.device), 0)
        drawn = [own[int(torch.randint(len(own), ()))] for own in told if own]
        texts = self.encoder.encode(drawn).to(images.device)
        scale = torch.tensor(self.scale, device=images.device)
        return {"loss_captions": self.weight * self.loss(images, texts, scale)}

    def train(self, mode: bool = True) -> "DeticCaptions":  # noqa: FBT001, FBT002 - torch's own
        """Set the mode; the encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self


def whole_image(sample: Sample) -> Regions:
    """Return the box around a whole picture, padding left out."""
    height, width = sample.image.shape[1:]
    box = torch.tensor([[0.0, 0, width, height]])
    return Regions(box, torch.zeros(1, dtype=torch.int64))


def _nothing(flow: Flow) -> Regions:
    return Regions.empty(flow.images.device)


def _one_hot_loss(probabilities: Tensor, label: int) -> Tensor:
    """Return the binary cross entropy of [C] probabilities with one class right, summed."""
    inside = probabilities.clamp(_EPSILON, 1 - _EPSILON)
    no = -torch.log1p(-inside)
    return no.sum() - no[label] - inside[label].log()
