"""Model: a detector ready for use. Pictures and names in, results out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from ovdet.apis.images import Pixels, Source, read_image
from ovdet.apis.result import Result
from ovdet.data.images import to_float
from ovdet.data.splits import read_vocabulary
from ovdet.data.transforms import Resize
from ovdet.ops.masks import paste_rle
from ovdet.structures import InputError, Regions, Sample, Vocabulary

Classes = Sequence[str] | Vocabulary
Sources = list[Source] | tuple[Source, ...]


@dataclass(frozen=True)
class Settings:
    """How a detector wants to be used.

    Attributes:
        short: Side, px, that a picture's shorter side is scaled to.
        max: Most px of the longer side; it wins over ``short``.
        threshold: Least score shown when the caller names none.
    """

    short: int = 320
    max: int = 640
    threshold: float = 0.3


class Model:
    """A detector with the way from pictures to its input and back.

    Args:
        detector: Anything with ``predict(samples, vocabulary, threshold=, top_k=)`` and the text
            slot ``text``.
        settings: Input size and threshold.
        device: Where it runs.
        name: What messages call it.
    """

    def __init__(
        self, detector: Any, settings: Settings, device: torch.device, name: str = "model"
    ) -> None:
        self.detector = detector.to(device).eval()
        self.device = device
        self.settings = settings
        self.name = name
        self._resize = Resize(settings.short, settings.max)

    def to(self, device: str) -> "Model":
        """Move the model to another device and return it.

        Raises:
            InputError: If there is no such device.
        """
        self.device = pick_device(device)
        self.detector.to(self.device)
        return self

    @overload
    def detect(
        self,
        images: Sources,
        classes: Classes,
        *,
        threshold: float | None = None,
        top_k: int = 100,
        batch_size: int = 8,
    ) -> list[Result]: ...
    @overload
    def detect(
        self,
        images: Source,
        classes: Classes,
        *,
        threshold: float | None = None,
        top_k: int = 100,
        batch_size: int = 8,
    ) -> Result: ...
    def detect(
        self,
        images: Source | Sources,
        classes: Classes,
        *,
        threshold: float | None = None,
        top_k: int = 100,
        batch_size: int = 8,
    ) -> Result | list[Result]:
        """Find objects of any classes.

        Args:
            images: One picture or a list of them; see ``ovdet.apis.images.read_image``.
            classes: Names in plain words, at least one, or a vocabulary, or the name of a published
                one as ``"@lvis-v1"``; they come back as labels exactly as given.
            threshold: Least score, in [0, 1]; the model's own when None.
            top_k: Most objects a picture, at least 1.
            batch_size: Pictures that pass the model together, at least 1.

        Returns:
            One ``Result`` for one picture, a list for a list.

        Raises:
            InputError: If a picture cannot be read, a name is blank or stands twice, there is no
                name, or a number is out of its range.
        """
        vocabulary = as_vocabulary(classes)
        least = self.settings.threshold if threshold is None else threshold
        _check_numbers(least, top_k, batch_size)
        if not isinstance(images, list | tuple):
            return self._detect([_load(images, None)], vocabulary, least, top_k)[0]
        results: list[Result] = []
        for start in range(0, len(images), batch_size):
            batch = [_load(image, start + i) for i, image in enumerate(images[start:][:batch_size])]
            results += self._detect(batch, vocabulary, least, top_k)
        return results

    def embed_text(self, names: Classes) -> Tensor:
        """Return the embeddings of names, [C, D], unit norm, on the CPU.

        Raises:
            InputError: If a name is blank or stands twice, or there is none.
        """
        with torch.inference_mode():
            embeddings: Tensor = self.detector.text(as_vocabulary(names)).classes
        return embeddings.cpu()

    def _detect(
        self, batch: "list[_Picture]", vocabulary: Vocabulary, threshold: float, top_k: int
    ) -> list[Result]:
        samples = [self._sample(picture) for picture in batch]
        with torch.inference_mode():
            found = self.detector.predict(samples, vocabulary, threshold=threshold, top_k=top_k)
        return [_result(p, r, vocabulary) for p, r in zip(batch, found, strict=True)]

    def _sample(self, picture: "_Picture") -> Sample:
        size = picture.pixels.shape[:2]
        sample = Sample(to_float(picture.pixels), 0, picture.file_name, size)
        return self._resize(sample, np.random.default_rng(0))


@dataclass(frozen=True)
class _Picture:
    pixels: Pixels
    file_name: str


def as_vocabulary(classes: Classes | Iterable[str]) -> Vocabulary:
    """Return classes as a vocabulary; ``"@lvis-v1"`` is the published one of that name.

    Raises:
        InputError: If they are any other bare string, no vocabulary has that name, a name is blank
            or stands twice, or there is none.
    """
    if isinstance(classes, Vocabulary):
        return classes
    if isinstance(classes, str) and classes.startswith("@"):
        return read_vocabulary(classes)
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise InputError(f"classes must be a list of names, got {classes!r}")
    names = tuple(classes)
    try:
        return _named(names)
    except TypeError:  # something among them cannot even be hashed; the check says which
        return Vocabulary.of(names)


@lru_cache(maxsize=8)
def _named(names: tuple[str, ...]) -> Vocabulary:
    """Return the vocabulary of names; checking ten thousand of them again would take a while."""
    return Vocabulary.of(names)


def pick_device(device: str) -> torch.device:
    """Return the device of a name; ``auto`` is the first GPU, or the CPU where there is none.

    Raises:
        InputError: If torch knows no such device or it is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {device!r} cannot be used here: {reason}") from error
    return chosen


def _check_numbers(threshold: float, top_k: int, batch_size: int) -> None:
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold must lie in [0, 1], got {threshold}")
    if top_k < 1:
        raise InputError(f"top_k must be at least 1, got {top_k}")
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")


def _load(source: Source, place: int | None) -> _Picture:
    is_file = isinstance(source, str | Path)
    name = "" if is_file or place is None else f"image {place}"
    return _Picture(read_image(source, name), str(source) if is_file else "")


def _result(picture: _Picture, regions: Regions, vocabulary: Vocabulary) -> Result:
    if regions.scores is None or regions.labels is None:
        raise InputError("the detector must give scores and labels, got regions without them")
    order = regions.scores.argsort(descending=True, stable=True)
    boxes, scores, labels = (
        value[order].cpu() for value in (regions.boxes, regions.scores, regions.labels)
    )
    rles = None
    if regions.masks is not None:
        masks = regions.masks[order].cpu()
        rles = tuple(paste_rle(masks, boxes, *picture.pixels.shape[:2]))
    return Result(
        boxes=boxes.float().numpy(),
        scores=scores.float().numpy(),
        class_ids=labels.numpy().astype(np.int64),
        vocabulary=vocabulary,
        image=picture.pixels,
        rles=rles,
        file_name=picture.file_name,
    )
