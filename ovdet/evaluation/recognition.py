"""How well pictures and sentences find each other, and pictures their class."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ovdet.ops.similarity import compare
from ovdet.registry import METRICS
from ovdet.structures import InputError, Sample, Tokens

Embedded = Tensor | Tokens
Pair = tuple[Embedded, Embedded]
_CHUNK = 1024  # pictures whose similarities to all sentences are held at once


def zero_shot_accuracy(
    images: Embedded,
    classes: Embedded,
    labels: Tensor,
    tops: Sequence[int] = (1, 5),
    *,
    prompts: int = 1,
) -> dict[str, float]:
    """Return the part of pictures whose own class is among the nearest k.

    Args:
        images: [N, D], unit norm, or N sets of vectors.
        classes: [C * prompts, D], unit norm, or as many sets.
        labels: [N], int64, in 0 to C - 1.
        tops: The k to report, each at least 1.
        prompts: Rows of ``classes`` a class has, next to each other. The similarities with them are
            averaged.

    Returns:
        ``top<k>``, in [0, 1]. Of equal similarities the wrong ones come first, so that a constant
        embedding scores nothing.

    Raises:
        InputError: If there is no picture or no class.
    """
    if not (len(images) and len(classes)):
        raise InputError(f"got {len(images)} pictures and {len(classes)} classes, none may be 0")
    places = []
    for part, own in zip(_parts(images), torch.split(labels, _CHUNK), strict=True):
        similarity = compare(part, classes)  # [n, C * prompts]
        similarity = similarity.view(len(part), -1, prompts).mean(dim=2)  # [n, C]
        places.append((similarity >= similarity.gather(1, own[:, None])).sum(dim=1))
    place = torch.cat(places)  # its own class included
    return {f"top{k}": float((place <= k).double().mean()) for k in tops}


def zero_shot_top1(
    images: Embedded, classes: Embedded, labels: Tensor, *, prompts: int = 1
) -> float:
    """Return the part of pictures whose nearest class is their own; see the function above."""
    return zero_shot_accuracy(images, classes, labels, (1,), prompts=prompts)["top1"]


def retrieval_recall(
    images: Embedded,
    texts: Embedded,
    tops: Sequence[int] = (1, 5, 10),
    owner: Tensor | None = None,
) -> dict[str, float]:
    """Return how often pictures and sentences find each other among the best k.

    Args:
        images: [N, D], unit norm, or N sets of vectors.
        texts: [M, D], unit norm, or M sets.
        tops: The k to report, each at least 1.
        owner: [M], int64, the picture each sentence belongs to; each has one or more. None says
            that M is N and sentence n belongs to picture n.

    Returns:
        ``image_to_text@k``, the part of pictures with one of their sentences among the best k, and
        ``text_to_image@k``, the part of sentences with their picture among the best k; in [0, 1].
        Of equal similarities the wrong ones come first, so that a constant embedding scores
        nothing.

    Raises:
        InputError: If there is no pair, the numbers differ, or a picture has no sentence.
    """
    if owner is None and len(images) == len(texts):
        owner = torch.arange(len(images))
    if owner is None or len(owner) != len(texts) or len(images) == 0:
        raise InputError(f"must be N > 0 pairs, got {len(images)} pictures, {len(texts)} sentences")
    if len(bare := torch.nonzero(torch.bincount(owner, minlength=len(images)) == 0)):
        raise InputError(f"each picture must have a sentence, picture {int(bare[0])} has none")
    whose = torch.arange(len(images))
    places = {
        "image_to_text": _first_own(images, texts, whose, owner),
        "text_to_image": _first_own(texts, images, owner, whose),
    }
    return {f"{n}@{k}": float((p <= k).double().mean()) for n, p in places.items() for k in tops}


def _first_own(queries: Embedded, targets: Embedded, asks: Tensor, owns: Tensor) -> Tensor:
    """Return for each query the place of the nearest target of the same picture."""
    places = []
    for part, whose in zip(_parts(queries), torch.split(asks, _CHUNK), strict=True):
        similarity = compare(part, targets)  # [n, M]
        own = whose[:, None] == owns[None]
        best = similarity.masked_fill(~own, -torch.inf).amax(dim=1, keepdim=True)
        places.append(1 + ((similarity >= best) & ~own).sum(dim=1))
    return torch.cat(places)


def _parts(rows: Embedded) -> list[Embedded]:
    return [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]


def _kept(image: Embedded, texts: Embedded) -> Pair:
    """Return a prediction as it is stored: one row a picture and a sentence, in memory."""
    if isinstance(image, Tokens) and isinstance(texts, Tokens):
        return image.to("cpu"), texts.to("cpu")
    rows = texts.reshape(-1, texts.shape[-1])  # type: ignore[union-attr]
    return image.float().cpu()[None], rows.float().cpu()  # type: ignore[union-attr]


def _joined(parts: Sequence[Embedded]) -> Embedded:
    sets = [part for part in parts if isinstance(part, Tokens)]
    return Tokens.cat(sets) if sets else torch.cat(list(parts))  # type: ignore[arg-type]


@METRICS.register_module()
class RetrievalRecall(BaseMetric):  # type: ignore[misc]
    """:func:`retrieval_recall` over a recognizer's predictions.

    A prediction is a picture's embedding [D] and those of its sentences, [T, D] or [D]; or one set
    of vectors and T sets.
    """

    default_prefix = "retrieval"

    def __init__(self, tops: Sequence[int] = (1, 5, 10)) -> None:
        super().__init__()
        self.tops = tuple(tops)

    def process(self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Pair]) -> None:  # noqa: ARG002
        """Keep the embeddings of a batch."""
        self.results += [_kept(image, texts) for image, texts in data_samples]

    def compute_metrics(self, results: list[Pair]) -> dict[str, float]:
        """Return the recall of both directions."""
        images, texts = zip(*results, strict=True)
        counts = torch.tensor([len(rows) for rows in texts])
        owner = torch.arange(len(images)).repeat_interleave(counts)
        return retrieval_recall(_joined(images), _joined(texts), self.tops, owner)


@METRICS.register_module()
class ZeroShotAccuracy(BaseMetric):  # type: ignore[misc]
    """:func:`zero_shot_accuracy` over predictions; the distinct first captions are the classes.

    Args:
        tops: The k to report; one that exceeds the number of classes is left out.
    """

    default_prefix = "zero_shot"

    def __init__(self, tops: Sequence[int] = (1, 5)) -> None:
        super().__init__()
        self.tops = tuple(tops)

    def process(self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Pair]) -> None:
        """Keep the pictures of a batch and, once, the caption that names each one's class."""
        known = {caption for caption, _, text in self.results if text is not None}
        for sample, pair in zip(data_batch["samples"], data_samples, strict=True):
            caption = sample.captions[0]
            image, texts = _kept(*pair)
            self.results.append((caption, image, None if caption in known else texts[:1]))
            known.add(caption)

    def compute_metrics(
        self, results: list[tuple[str, Embedded, Embedded | None]]
    ) -> dict[str, float]:
        """Return ``top<k>`` and the number of classes it was chosen among."""
        texts = {caption: text for caption, _, text in results if text is not None}
        place = {caption: i for i, caption in enumerate(texts)}
        labels = torch.tensor([place[caption] for caption, _, _ in results])
        images = _joined([image for _, image, _ in results])
        tops = [k for k in self.tops if k <= len(texts)]
        figures = zero_shot_accuracy(images, _joined(list(texts.values())), labels, tops)
        return figures | {"classes": float(len(texts))}
