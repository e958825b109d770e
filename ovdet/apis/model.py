"""Model: a detector or a segmentor ready for use. Pictures and names in, results out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Unpack, overload

import numpy as np
import torch
from torch import Tensor

from ovdet.apis.answers import Limits, as_result
from ovdet.apis.grounding import read_sentence
from ovdet.apis.images import Source
from ovdet.apis.inputs import (
    Batch,
    Classes,
    Picture,
    Sources,
    as_it_is,
    as_prompts,
    as_vocabulary,
    load_picture,
    passes,
    pick_device,
)
from ovdet.apis.panoptic import PanopticResult
from ovdet.apis.prompting import Question, Questioner
from ovdet.apis.result import Result
from ovdet.apis.segmenting import INSTANCE, Asked, answer, choose_task
from ovdet.apis.semantic import SemanticResult
from ovdet.data.transforms import Resize, Transform
from ovdet.ops import unit_norm
from ovdet.ops.prompted import one_each
from ovdet.structures import InputError, Sample, Vocabulary
from ovdet.text import check_reader

T = TypeVar("T")

DETECT = "detect"
PRECISIONS = ("float32", "bfloat16", "float16")
EVERYTHING = "@large"
_NAMES = 8  # for each place wanted; so many names may find it
_TOP = 100  # most objects a picture when the caller says nothing


@dataclass(frozen=True)
class Settings:
    """How a detector or a segmentor wants to be used.

    Attributes:
        short: Side, px, that a picture's shorter side is scaled to; None leaves pictures as they
            are, for a model that sizes them itself.
        max: Most px of the longer side; it wins over ``short``.
        threshold: Least score of an object shown when the caller names none.
    """

    short: int | None = 320
    max: int = 640
    threshold: float = 0.3


class Model:
    """A detector or a segmentor with the way from pictures to its input and back.

    Args:
        detector: Anything with ``predict(samples, vocabulary, threshold=, top_k=)`` and the text
            slot ``text``; or with ``segment(samples, vocabulary, task)``, ``tasks`` and ``task``,
            as ``ovdet.segmentors.Segmentor`` has them.
        settings: Input size and threshold.
        device: Where it runs.
        name: What messages call it.
        precision: What it computes in: ``float32``, or ``bfloat16`` or ``float16``, in which case
            weights stay as they are and each operation picks what is safe (autocast).

    Raises:
        InputError: If there is no such precision.
    """

    _resize: Transform

    def __init__(
        self,
        detector: Any,
        settings: Settings,
        device: torch.device,
        name: str = "model",
        precision: str = PRECISIONS[0],
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"precision must be one of {PRECISIONS}, got {precision!r}")
        self.detector = detector.to(device).eval()
        self.device = device
        self.settings = settings
        self.name = name
        self.precision = precision
        self._resize = as_it_is
        if settings.short is not None:
            self._resize = Resize(settings.short, settings.max)
        self._questioner = Questioner(self.detector, self._sized, name)

    def to(self, device: str) -> "Model":
        """Move the model to another device and return it.

        Raises:
            InputError: If there is no such device.
        """
        self.device = pick_device(device)
        self.detector.to(self.device)
        self._questioner.forget()
        return self

    @property
    def task(self) -> str:
        """What the model is made for: ``detect``, or a segmentor's own task."""
        return str(self.detector.task) if hasattr(self.detector, "segment") else DETECT

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width, px, with which a picture goes into the network.

        Pictures that share them do not pad one another, so their answers are the same whether they
        go in together or one by one.
        """
        if self.settings.short is None:
            return height, width
        return Resize(self.settings.short, self.settings.max).size_of(height, width)

    @overload
    def detect(
        self,
        images: Sources,
        classes: Classes | None = None,
        *,
        threshold: float | None = None,
        top_k: int = 100,
        batch_size: int = 8,
    ) -> list[Result]: ...
    @overload
    def detect(
        self,
        images: Source,
        classes: Classes | None = None,
        *,
        threshold: float | None = None,
        top_k: int = 100,
        batch_size: int = 8,
    ) -> Result: ...
    def detect(
        self,
        images: Source | Sources,
        classes: Classes | None = None,
        *,
        threshold: float | None = None,
        top_k: int = _TOP,
        batch_size: int = 8,
    ) -> Result | list[Result]:
        """Find objects of any classes.

        Args:
            images: One picture or a list of them; see ``ovdet.apis.images.read_image``.
            classes: Names in plain words, at least one, or a vocabulary (``ovdet.read_table`` gives
                one that brings its embeddings), or the name of a published one as ``"@lvis-v1"``;
                they come back as labels exactly as given. Or ``ovdet.Prompts``, or a list with
                ``ovdet.Prompt`` among the names. None: all that a model of closed classes knows.
            threshold: Least score, in [0, 1]; when None the classes' own, where their vocabulary
                has been calibrated, else the model's.
            top_k: Most objects a picture, at least 1.
            batch_size: Pictures that pass the model together, at least 1.

        Returns:
            One ``Result`` for one picture, a list for a list.

        Raises:
            InputError: If a picture cannot be read, a name is blank or stands twice, there is no
                name, a model of closed classes does not know it, a table is of another text tower
                or the model takes none, it cannot look at a prompt's pictures, a number is out of
                its range, or the model is a segmentor.
        """
        self._refuse_segmentor("detect")
        question = self._question(classes)
        limits = self._limits(threshold, top_k, question.labels)
        return self._in_batches(
            images, batch_size, lambda batch: self._find(batch, question, limits)
        )

    def discover(
        self,
        images: Source | Sources,
        classes: Classes = EVERYTHING,
        *,
        threshold: float | None = None,
        top_k: int = _TOP,
        batch_size: int = 8,
    ) -> Result | list[Result]:
        """Name whatever is in pictures: each place once, by the best of very many names.

        Args:
            images: As for :meth:`detect`.
            classes: Where the names come from: those of LVIS, Objects365 and Open Images together
                unless others are given.
            threshold: As for :meth:`detect`.
            top_k: As for :meth:`detect`.
            batch_size: As for :meth:`detect`.

        Returns:
            As for :meth:`detect`.

        Raises:
            InputError: As for :meth:`detect`.
        """
        self._refuse_segmentor("discover")
        question = self._question(classes)
        limits = self._limits(threshold, top_k, question.labels)
        return self._in_batches(
            images, batch_size, lambda batch: self._find(batch, question, limits, names=_NAMES)
        )

    def _refuse_segmentor(self, way: str) -> None:
        if self.task != DETECT:
            raise InputError(f"{self.name} is a segmentor: ask it with segment(), not {way}()")

    def _find(
        self, batch: Batch, question: Question, limits: Limits, names: int = 0
    ) -> list[Result]:
        """Return what is found; with ``names``, so many are looked at for each that is wanted."""
        found = self.detector.predict(
            [sample for _, sample in batch],
            question.asked,
            threshold=limits.least,
            top_k=question.count(limits.top_k) * (names or 1),
        )
        found = [question.regions(regions) for regions in found]
        if names:
            found = [one_each(regions) for regions in found]
        pairs = zip(batch, found, strict=True)
        return [as_result(p, r, question.labels, limits) for (p, _), r in pairs]

    @overload
    def segment(
        self, images: Sources, classes: Classes, task: Literal["semantic"], **how: Unpack[Asked]
    ) -> list[SemanticResult]: ...
    @overload
    def segment(
        self, images: Sources, classes: Classes, task: Literal["instance"], **how: Unpack[Asked]
    ) -> list[Result]: ...
    @overload
    def segment(
        self, images: Sources, classes: Classes, task: Literal["panoptic"], **how: Unpack[Asked]
    ) -> list[PanopticResult]: ...
    @overload
    def segment(
        self, images: Source, classes: Classes, task: Literal["semantic"], **how: Unpack[Asked]
    ) -> SemanticResult: ...
    @overload
    def segment(
        self, images: Source, classes: Classes, task: Literal["instance"], **how: Unpack[Asked]
    ) -> Result: ...
    @overload
    def segment(
        self, images: Source, classes: Classes, task: Literal["panoptic"], **how: Unpack[Asked]
    ) -> PanopticResult: ...
    @overload
    def segment(
        self,
        images: Source | Sources,
        classes: Classes | None,
        task: str | None = None,
        **how: Unpack[Asked],
    ) -> Any: ...
    def segment(
        self,
        images: Source | Sources,
        classes: Classes | None,
        task: str | None = None,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
        batch_size: int = 8,
    ) -> Any:
        """Name pixels, or find objects with their masks.

        Args:
            images: As for :meth:`detect`.
            classes: As for :meth:`detect`.
            task: ``semantic`` for the class of every pixel, ``instance`` for objects with masks, or
                ``panoptic`` for every pixel's segment. None: what the model is made for. A detector
                with masks can be asked for ``instance``.
            threshold: Of ``instance`` alone: as for :meth:`detect`.
            top_k: Of ``instance`` alone: most objects a picture, at least 1; 100 when None.
            batch_size: Pictures that pass the model together, at least 1.

        Returns:
            A ``SemanticResult``, ``Result`` or ``PanopticResult`` for one picture, a list for a
            list; all in px of the picture.

        Raises:
            InputError: If the model cannot be asked for the task, or as for :meth:`detect`.
        """
        chosen = choose_task(self.detector, self.name, task)
        if chosen != INSTANCE and (threshold is not None or top_k is not None):
            raise InputError(f"threshold and top_k are of the task instance, got them for {chosen}")
        question = self._question(classes)
        limits = self._limits(threshold, _TOP if top_k is None else top_k, question.labels)
        return self._in_batches(
            images,
            batch_size,
            lambda batch: answer(self.detector, chosen, batch, question, limits),
        )

    def ground(
        self,
        images: Source | Sources,
        text: str,
        *,
        threshold: float | None = None,
        top_k: int = _TOP,
        batch_size: int = 8,
    ) -> Result | list[Result]:
        """Find what the phrases of a sentence stand for.

        Args:
            images: As for :meth:`detect`.
            text: A sentence with its phrases in square brackets, as ``[a dog] left of [a car]``;
                without brackets the whole is one phrase.
            threshold: As for :meth:`detect`.
            top_k: As for :meth:`detect`.
            batch_size: As for :meth:`detect`.

        Returns:
            As for :meth:`detect`; labels are the phrases, each with its brackets within the
            sentence where two are the same words.

        Raises:
            InputError: If the model reads no sentences, the text is blank or its brackets do not
                pair, or as for :meth:`detect`.
        """
        if not hasattr(self.detector, "ground"):
            raise InputError(f"{self.name} is asked for names, it cannot read a sentence")
        sentence = read_sentence(text)
        limits = self._limits(threshold, top_k, sentence.vocabulary)

        def ground(batch: Batch) -> list[Result]:
            found = self.detector.ground([sentence.ask(sample) for _, sample in batch])
            vocabulary = sentence.vocabulary
            pairs = zip(batch, found, strict=True)
            return [as_result(p, r, vocabulary, limits) for (p, _), r in pairs]

        return self._in_batches(images, batch_size, ground)

    def embed_text(self, names: Classes) -> Tensor:
        """Return the embeddings of names, [C, D], unit norm, on the CPU.

        Raises:
            InputError: If a name is blank or stands twice, there is none, or the model only reads
                names together with a picture.
        """
        if getattr(self.detector, "text", None) is None:
            raise InputError(f"{self.name} reads names beside a picture, it has no vectors of them")
        with torch.inference_mode():
            embeddings: Tensor = self.detector.text(self._vocabulary(names)).classes
        return unit_norm(embeddings.float()).cpu()

    def _vocabulary(self, classes: Classes | None) -> Vocabulary:
        if classes is not None:
            vocabulary = as_vocabulary(classes)
            check_reader(self.detector, vocabulary)
            return vocabulary
        own: Vocabulary | None = getattr(self.detector, "own", None)
        if own is None:
            raise InputError(f"{self.name} finds what it is asked for: give it classes")
        return own

    def _question(self, classes: Classes | None) -> Question:
        prompts = None if classes is None else as_prompts(classes)
        if prompts is None:
            return Question.of(self._vocabulary(classes))
        return self._questioner.ask(prompts)

    def _limits(self, threshold: float | None, top_k: int, labels: Vocabulary) -> Limits:
        """Return the caller's limits; without a threshold those of the classes, or the model's."""
        if threshold is not None:
            return Limits(threshold, top_k, temperature=labels.temperature)
        own = self.settings.threshold
        return Limits(own, top_k, labels.thresholds, labels.temperature)

    def _sized(self, sample: Sample) -> Sample:
        return self._resize(sample, np.random.default_rng(0))  # resizing draws nothing

    def _in_batches(
        self, images: Source | Sources, size: int, work: Callable[[Batch], list[T]]
    ) -> T | list[T]:
        """Return what ``work`` gives: one for one picture, a list for a list."""
        if size < 1:
            raise InputError(f"batch_size must be at least 1, got {size}")
        if not isinstance(images, list | tuple):
            return self._work([load_picture(images)], work)[0]
        results: list[T] = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            results += self._work([load_picture(p, start + i) for i, p in enumerate(part)], work)
        return results

    def _work(self, pictures: list[Picture], work: Callable[[Batch], list[T]]) -> list[T]:
        kind, half = getattr(torch, self.precision), self.precision != PRECISIONS[0]
        with torch.inference_mode(), torch.autocast(self.device.type, kind, enabled=half):
            batch = [(p, self._sized(p.to_sample())) for p in pictures]
            return [found for part in passes(batch, self.device) for found in work(part)]
