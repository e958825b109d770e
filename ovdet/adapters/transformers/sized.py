"""Segmentors of ovdet whose pictures come in the size that a folder's weights were trained at."""

from typing import Any, ClassVar

from torch import Tensor

from ovdet.adapters.transformers.pictures import SizedPictures
from ovdet.segmentors.base import SEMANTIC, TASKS, Segmentor
from ovdet.structures import InputError, Sample, Vocabulary


class FolderSegmentor(Segmentor):
    """A segmentor with finished weights."""

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Refuse: its pictures are sized for predictions.

        Raises:
            InputError: Always.
        """
        del samples, vocabulary
        raise InputError(
            "a folder's segmentor predicts; to train on its weights name them in a config of the "
            "method"
        )


class SizedSegmentor(FolderSegmentor):
    """A segmentor of ovdet that is shown its pictures in groups of one size, none padded.

    Args:
        inner: Names pixels.
        pictures: Sample to the sample it sees.
    """

    def __init__(self, inner: Segmentor, pictures: SizedPictures) -> None:
        super().__init__(SEMANTIC)
        self.inner: Any = inner
        self.pictures = pictures

    @property
    def text(self) -> Any:
        """The text slot."""
        return self.inner.text

    def things(self, vocabulary: Vocabulary) -> tuple[bool, ...]:
        """Return for each class whether it is countable; empty where that is not told apart."""
        things: tuple[bool, ...] = self.inner.things(vocabulary)
        return things

    def segment(
        self, samples: list[Sample], vocabulary: Vocabulary, task: str = SEMANTIC
    ) -> list[Any]:
        """Name pixels; see the inner segmentor's ``segment``.

        Args:
            samples: B samples of any sizes, best those of their files.
            vocabulary: Any C classes.
            task: One of ``tasks``.

        Returns:
            For each sample its prediction, in px of its file, as ``TASKS`` says.

        Raises:
            InputError: If it cannot be asked for ``task``.
        """
        self.check_task(task)
        seen = [self.pictures(sample) for sample in samples]
        groups: dict[tuple[int, ...], list[int]] = {}
        for row, sample in enumerate(seen):
            groups.setdefault(tuple(sample.image.shape), []).append(row)
        found: list[Any] = [None] * len(samples)
        for rows in groups.values():
            answers = self.inner.segment([seen[row] for row in rows], vocabulary, task)
            for row, answer in zip(rows, answers, strict=True):
                found[row] = answer
        return found


class SizedMaskSegmentor(SizedSegmentor):
    """One that can also be asked for objects and segments."""

    tasks: ClassVar[tuple[str, ...]] = TASKS
