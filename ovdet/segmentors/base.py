"""What all segmentors have in common for those who run them."""

from typing import Any, ClassVar

from mmengine.model import BaseModel
from torch import Tensor

from ovdet.structures import InputError, Sample, Vocabulary

SEMANTIC, INSTANCE, PANOPTIC = TASKS = ("semantic", "instance", "panoptic")
"""What a segmentor can be asked for; the predictions of each, in px of the stored image:

- ``semantic``: a label map [H, W], int64, indices into the vocabulary, ``IGNORED`` for no class;
- ``instance``: Regions with labels, scores and masks;
- ``panoptic``: segment ids [H, W], int64, from 1 on, 0 for none; and {id: class}.
"""


class Segmentor(BaseModel):  # type: ignore[misc]
    """Learns from samples or predicts on them, with a vocabulary that whoever runs it has set.

    Args:
        task: What ``forward`` predicts, one of ``tasks``.

    Attributes:
        tasks: What it can be asked for.
        vocabulary: The classes of the labels and of ``forward``; None until it is set.

    Raises:
        InputError: If it cannot be asked for ``task``.
    """

    tasks: ClassVar[tuple[str, ...]] = (SEMANTIC,)

    def __init__(self, task: str = SEMANTIC) -> None:
        super().__init__()
        self.vocabulary: Vocabulary | None = None
        self.task = task
        self.check_task(task)

    def check_task(self, task: str) -> None:
        """Raise InputError if the segmentor cannot be asked for a task."""
        if task not in self.tasks:
            name = type(self).__name__
            raise InputError(f"{name} can be asked for {', '.join(self.tasks)}, got {task!r}")

    def forward(self, samples: list[Sample], mode: str = "loss") -> Any:
        """Learn from samples or predict on them, with ``self.vocabulary``.

        Args:
            samples: B samples.
            mode: ``loss`` gives {name: scalar}; ``predict`` one prediction of ``task`` a sample.

        Raises:
            InputError: If no vocabulary has been set.
        """
        if self.vocabulary is None:
            raise InputError("the segmentor has no vocabulary: set segmentor.vocabulary first")
        if mode == "loss":
            return self.loss(samples, self.vocabulary)
        return self.segment(samples, self.vocabulary, self.task)

    def things(self, vocabulary: Vocabulary) -> tuple[bool, ...]:  # noqa: ARG002
        """Return for each class whether it is countable; empty where that is not told apart."""
        return ()

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Return all losses of a batch, ``loss_*``, scalars."""
        raise NotImplementedError

    def segment(
        self, samples: list[Sample], vocabulary: Vocabulary, task: str = SEMANTIC
    ) -> list[Any]:
        """Name pixels: for each sample its prediction, in px of its file, as ``TASKS`` says.

        Raises:
            InputError: If the segmentor cannot be asked for ``task``.
        """
        raise NotImplementedError
