"""What all detectors have in common for those who run them."""

from typing import Any

from mmengine.model import BaseModel
from torch import Tensor

from ovdet.structures import InputError, Regions, Sample, Vocabulary


class Detector(BaseModel):  # type: ignore[misc]
    """Learns from samples or predicts on them, with a vocabulary that whoever runs it has set.

    Attributes:
        vocabulary: The classes of the labels and of ``forward``; None until it is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.vocabulary: Vocabulary | None = None

    def forward(self, samples: list[Sample], mode: str = "loss") -> Any:
        """Learn from samples or predict on them, with ``self.vocabulary``.

        Args:
            samples: B samples.
            mode: ``loss`` gives {name: scalar}; ``predict`` one Regions a sample, in px of the
                stored image.

        Raises:
            InputError: If no vocabulary has been set.
        """
        if self.vocabulary is None:
            raise InputError("the detector has no vocabulary: set detector.vocabulary first")
        if mode == "loss":
            return self.loss(samples, self.vocabulary)
        return self.predict(samples, self.vocabulary)

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Return all losses of a batch, ``loss_*``, scalars."""
        raise NotImplementedError

    def predict(
        self,
        samples: list[Sample],
        vocabulary: Vocabulary,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> list[Regions]:
        """Find and name objects: for each sample its regions, best first, in px of its file."""
        raise NotImplementedError
