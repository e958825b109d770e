"""How well a model names what it is shown: ground-truth crops, ground-truth boxes."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from torch import Tensor, nn

from ovdet.evaluation import zero_shot_top1
from ovdet.ops import box_iou, crop_regions
from ovdet.registry import HOOKS
from ovdet.structures import Sample, Tokens, batch_images


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
        classes, rows = recognizer.embed_names(self.names, self.templates)
        classes = classes.to("cpu")
        samples = [self.dataset[i] for i in range(len(self.dataset))]
        samples = [sample for sample in samples if len(sample.truth)]
        parts = [self._embed(recognizer, sample) for sample in samples]
        images = Tokens.cat(parts) if isinstance(classes, Tokens) else torch.cat(parts)
        labels = torch.cat([_labels(sample) for sample in samples])
        return {
            f"crops/top1 of {n}": zero_shot_top1(images, classes[: n * rows], labels, prompts=rows)
            for n in sorted({self.own, len(self.names)})
        }

    def _embed(self, recognizer: Any, sample: Sample) -> Any:
        crops = crop_regions(sample.image[None], sample.truth, self.size)
        return recognizer.embed_pictures(crops).to("cpu")


def _labels(sample: Sample) -> Tensor:
    if sample.truth.labels is None:
        return torch.zeros(0, dtype=torch.int64)
    return sample.truth.labels


@HOOKS.register_module()
class BoxNaming(Hook):  # type: ignore[misc]
    """Logs how often a two-stage detector names a ground-truth box right, and finds it at all.

    Args:
        top: Proposals of an image that count.
    """

    priority = "LOW"

    def __init__(self, *, top: int = 100) -> None:
        self.top = top

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Name every box of the data set that was measured."""
        dataset = runner.val_dataloader.dataset
        hits = torch.cat([_named(runner.model, dataset, i) for i in range(len(dataset))])
        figures = {"boxes/naming top1": hits.float().mean().item()}
        figures |= proposal_recall(runner.model, dataset, self.top)
        if metrics is not None:
            metrics.update(figures)
        words = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        runner.logger.info("ground-truth boxes: %s", words)


@torch.no_grad()
def proposal_recall(model: nn.Module, dataset: Any, top: int = 100) -> dict[str, float]:
    """Return which part of the objects the best proposals cover at IoU 0.5, by class group.

    Args:
        model: A two-stage detector; others give nothing.
        dataset: Samples with truth in px of the network input.
        top: Proposals an image that count.

    Returns:
        ``proposals@100/base``, ``/novel`` and ``/all``, in [0, 1].
    """
    detector: Any = model
    if not isinstance(getattr(detector, "proposals", None), nn.Module):
        return {}
    detector.eval()
    hits: list[torch.Tensor] = []
    labels: list[torch.Tensor] = []
    for index in range(len(dataset)):
        sample = dataset[index]
        images = batch_images([sample], stride=32)
        regions, _ = detector.proposals(detector.trunk(images), images)
        overlap = box_iou(sample.truth.boxes, regions.boxes[:top])
        hits.append((overlap >= 0.5).any(dim=1))
        labels.append(sample.truth.labels)
    hit, novel = torch.cat(hits), torch.tensor(dataset.vocabulary.novel_mask)[torch.cat(labels)]
    groups = {"base": hit[~novel], "novel": hit[novel], "all": hit}
    return {f"proposals@{top}/{k}": float(v.float().mean()) for k, v in groups.items()}


@torch.no_grad()
def _named(model: nn.Module, dataset: Any, index: int) -> Tensor:
    """Return [R], bool: whether each box of an image gets its own name."""
    detector: Any = model
    detector.eval()
    sample = dataset[index]
    labels = _labels(sample)
    if len(labels) == 0:
        return torch.zeros(0, dtype=torch.bool)
    scores: Tensor = detector.name_regions([sample], sample.truth, dataset.vocabulary)
    return scores.argmax(dim=1).cpu() == labels
