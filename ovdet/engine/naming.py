"""How well a recognizer names ground-truth crops of a detection data set."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from torch import Tensor, nn

from ovdet.evaluation import zero_shot_top1
from ovdet.ops import crop_regions
from ovdet.registry import HOOKS
from ovdet.structures import Sample
from ovdet.text import Bank


@HOOKS.register_module()
class CropNaming(Hook):  # type: ignore[misc]
    """Logs top-1 on ground-truth crops, whenever the run measures and at its end.

    Args:
        dataset: Samples with labelled truth, and a ``vocabulary``.
        size: Side of a crop, px, as the recognizer expects it.
        distractors: Further names that compete in a second figure; empty gives only the first.
        templates: Name of the template set.
    """

    priority = "LOW"

    def __init__(
        self,
        dataset: Any,
        *,
        size: int = 64,
        distractors: Sequence[str] = (),
        templates: str = "single",
    ) -> None:
        self.dataset = dataset
        self.size = size
        own = list(dataset.vocabulary.names)
        self.names = own + [name for name in distractors if name not in set(own)]
        self.own = len(own)
        self.templates = templates

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Name every crop and log both figures."""
        figures = self.measure(runner.model)
        if metrics is not None:
            metrics.update(figures)
        words = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        runner.logger.info("ground-truth crops: %s", words)

    @torch.no_grad()
    def measure(self, model: nn.Module) -> dict[str, float]:
        """Return ``crops/top1 of C`` among the data set's own names, then among all."""
        recognizer: Any = model
        recognizer.eval()
        classes = Bank(recognizer.text, self.templates).embed(self.names).cpu()
        samples = [self.dataset[i] for i in range(len(self.dataset))]
        images = torch.cat([self._embed(recognizer, sample) for sample in samples])
        labels = torch.cat([_labels(sample) for sample in samples])
        counts = sorted({self.own, len(self.names)})
        return {f"crops/top1 of {n}": zero_shot_top1(images, classes[:n], labels) for n in counts}

    def _embed(self, recognizer: Any, sample: Sample) -> Tensor:
        if len(sample.truth) == 0:
            return torch.zeros(0, recognizer.image.dim)
        crops = crop_regions(sample.image[None], sample.truth, self.size)
        embeddings: Tensor = recognizer.image(crops.to(recognizer.log_scale.device)).cpu()
        return embeddings


def _labels(sample: Sample) -> Tensor:
    if sample.truth.labels is None:
        return torch.zeros(0, dtype=torch.int64)
    return sample.truth.labels
