"""How well pictures and sentences find each other."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ovdet.registry import METRICS
from ovdet.structures import InputError, Sample

Pair = tuple[Tensor, Tensor]


def zero_shot_top1(images: Tensor, classes: Tensor, labels: Tensor) -> float:
    """Return the part of pictures whose nearest class is their own.

    Args:
        images: [N, D], unit norm.
        classes: [C, D], unit norm.
        labels: [N], int64, in 0 to C - 1.

    Raises:
        InputError: If there is no picture or no class.
    """
    if not (len(images) and len(classes)):
        raise InputError(f"got {len(images)} pictures and {len(classes)} classes, none may be 0")
    nearest = (images @ classes.T).argmax(dim=1)
    return float((nearest == labels).double().mean())


def retrieval_recall(
    images: Tensor, texts: Tensor, tops: Sequence[int] = (1, 5)
) -> dict[str, float]:
    """Return how often picture and sentence n find each other among the best k of N.

    Args:
        images: [N, D], unit norm.
        texts: [N, D], unit norm; row n belongs to picture n.
        tops: The k to report, each at least 1.

    Returns:
        ``image_to_text@k`` and ``text_to_image@k``, in [0, 1]. Of equal similarities the wrong
        ones come first, so that a constant embedding scores nothing.

    Raises:
        InputError: If there is no pair, or the numbers differ.
    """
    if len(images) != len(texts) or len(images) == 0:
        raise InputError(f"must be N > 0 pairs, got {len(images)} pictures, {len(texts)} sentences")
    report: dict[str, float] = {}
    for name, similarity in (
        ("image_to_text", images @ texts.T),
        ("text_to_image", texts @ images.T),
    ):
        ahead = (similarity >= similarity.diagonal()[:, None]).sum(dim=1)  # itself included
        report |= {f"{name}@{k}": float((ahead <= k).double().mean()) for k in tops}
    return report


@METRICS.register_module()
class RetrievalRecall(BaseMetric):  # type: ignore[misc]
    """:func:`retrieval_recall` over a recognizer's predictions, a pair ([D], [D]) a sample."""

    default_prefix = "retrieval"

    def __init__(self, tops: Sequence[int] = (1, 5)) -> None:
        super().__init__()
        self.tops = tuple(tops)

    def process(self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Pair]) -> None:  # noqa: ARG002
        """Keep the pairs of a batch."""
        self.results += [(image.float().cpu(), text.float().cpu()) for image, text in data_samples]

    def compute_metrics(self, results: list[Pair]) -> dict[str, float]:
        """Return the recall of both directions."""
        images, texts = zip(*results, strict=True)
        return retrieval_recall(torch.stack(images), torch.stack(texts), self.tops)


@METRICS.register_module()
class ZeroShotTop1(BaseMetric):  # type: ignore[misc]
    """:func:`zero_shot_top1` over predictions; the distinct captions are the classes."""

    default_prefix = "zero_shot"

    def process(self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Pair]) -> None:
        """Keep the pairs of a batch and the caption that names each sample's class."""
        for sample, (image, text) in zip(data_batch["samples"], data_samples, strict=True):
            self.results.append((sample.captions[0], image.float().cpu(), text.float().cpu()))

    def compute_metrics(self, results: list[tuple[str, Tensor, Tensor]]) -> dict[str, float]:
        """Return ``top1`` and the number of classes it was chosen among."""
        texts = {caption: text for caption, _, text in results}
        place = {caption: i for i, caption in enumerate(texts)}
        labels = torch.tensor([place[caption] for caption, _, _ in results])
        images = torch.stack([image for _, image, _ in results])
        top1 = zero_shot_top1(images, torch.stack(list(texts.values())), labels)
        return {"top1": top1, "classes": float(len(texts))}
