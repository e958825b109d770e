"""ViLD: teach region embeddings what a frozen image encoder sees in the same crop.

Gu et al., "Open-vocabulary Object Detection via Vision and Language Knowledge
Distillation", ICLR 2022, https://arxiv.org/abs/2104.13921, Sec. 3.3 (image branch).

Slots: objectives (the distillation) and labeler (the teacher's view of proposals, written once).
ViLD's proposals, classifiers, score mean and templates are shared parts, chosen in
configs/methods/vild/, and so is the teacher (``CropTeacher``). Shapes: B images, R regions, D
embedding width.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Flow, InputError, Regions, Sample, batch_images


@MODELS.register_module()
class VildDistillation(nn.Module):
    """L1 distance between a region's embedding and the teacher's embedding of its crop (Eq. 4).

    Regions are the samples' prepared proposals with the teacher's embeddings where they have them;
    otherwise the teacher looks at the current proposals.

    Args:
        teacher: (images, regions) to embeddings [R, D]; None where all samples are prepared.
        branch: Index of the detector's branch that learns: 0 shares the text head (ViLD), 1 is a
            head of its own (ViLD-ensemble).
        count: Most regions an image, drawn at random from the prepared ones, else the best.
        weight: Multiplies the loss, a sum over D and a mean over R; 0.5 in the paper (R50).
    """

    def __init__(
        self,
        teacher: nn.Module | None = None,
        *,
        branch: int = 0,
        count: int = 300,
        weight: float = 0.5,
    ) -> None:
        super().__init__()
        self.teacher = teacher
        self.branch = branch
        self.count = count
        self.weight = weight

    def forward(self, flow: Flow) -> dict[str, Tensor]:
        """Compare student and teacher.

        Args:
            flow: Reads ``samples``, ``images``, ``proposals`` and asks ``embed``.

        Returns:
            ``loss_vild``, a scalar; 0, still on the graph, without regions.

        Raises:
            InputError: If a sample has no prepared proposals and there is no teacher.
        """
        regions = self._regions(flow).to(flow.images.device)
        if len(regions) == 0 or flow.embed is None or regions.embeddings is None:
            return {"loss_vild": flow.features[0].sum() * 0}
        student = flow.embed(regions, self.branch)
        distance = (student - regions.embeddings).abs().sum(dim=-1)  # [R]
        return {"loss_vild": self.weight * distance.mean()}

    def _regions(self, flow: Flow) -> Regions:
        prepared = [s.proposals for s in flow.samples if s.proposals is not None]
        if len(prepared) == len(flow.samples):
            return Regions.gather([self._draw(one) for one in prepared])
        if self.teacher is None or flow.proposals is None:
            raise InputError(
                "VildDistillation needs a teacher, or samples with prepared proposals: "
                f"{len(flow.samples) - len(prepared)} of {len(flow.samples)} have none"
            )
        chosen = [flow.proposals.of_image(i)[: self.count] for i in range(len(flow.samples))]
        regions = Regions.gather(chosen)
        return regions.with_(embeddings=self.teacher(flow.images, regions))

    def _draw(self, prepared: Regions) -> Regions:
        return prepared[torch.randperm(len(prepared))[: self.count]]


@MODELS.register_module()
class VildLabeler(nn.Module):
    """Prepares a sample: the detector's proposals with the teacher's embeddings (Sec. 3.3).

    The detector must never have seen novel boxes, or the split leaks.

    Args:
        detector: Has ``begin`` and ``proposals``.
        teacher: (images, regions) to embeddings [R, D].
        count: Proposals kept an image; 300 in the paper.
    """

    def __init__(self, detector: nn.Module, teacher: nn.Module, *, count: int = 300) -> None:
        super().__init__()
        self.detector: Any = detector
        self.teacher = teacher
        self.count = count

    @torch.no_grad()
    def forward(self, sample: Sample) -> Sample:
        """Return the sample with ``proposals``: boxes in px of its image, embeddings [R, D]."""
        self.detector.eval()
        images = batch_images([sample], stride=32)
        levels = self.detector.trunk(images)
        regions, _ = self.detector.proposals(levels, images)
        regions = regions[: self.count]
        embeddings = self.teacher(images, regions)
        return replace(sample, proposals=regions.with_(embeddings=embeddings))
