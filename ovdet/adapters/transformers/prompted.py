"""A detector whose boxes become masks: what it finds is handed to a model that draws it."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ovdet.data.transforms import Transform
from ovdet.detectors.base import Detector
from ovdet.registry import MODELS
from ovdet.structures import InputError, Regions, Sample, Vocabulary


@MODELS.register_module()
class PromptedDetector(Detector):
    """Finds and names with one model, draws with another.

    Args:
        detector: Anything with ``predict(samples, vocabulary, threshold=, top_k=)``.
        masks: (sample, boxes [R, 4], xyxy, px of its file) to masks [R, H, W], bool, of its file.
        resize: Makes of a sample what the detector sees; None shows it the sample itself. What
            draws always sees the sample.
    """

    detector: Any
    masks: Any

    def __init__(
        self, detector: nn.Module, masks: nn.Module, resize: Transform | None = None
    ) -> None:
        super().__init__()
        self.detector = detector
        self.masks = masks
        self.resize = resize

    @property
    def text(self) -> Any:
        """The detector's text slot; where it has none, this has none either."""
        return self.detector.text

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Refuse: its two models are finished.

        Raises:
            InputError: Always.
        """
        del samples, vocabulary
        raise InputError("a detector with masks of another model predicts; train it by itself")

    @torch.no_grad()
    def predict(
        self,
        samples: list[Sample],
        vocabulary: Vocabulary,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> list[Regions]:
        """Find, name and draw objects.

        Args:
            samples: B samples of any sizes, best those of their files.
            vocabulary: Any C classes.
            threshold: Least score; all when None.
            top_k: Most boxes an image; the detector's own limit when None.

        Returns:
            What the detector finds, with ``masks`` [R, H, W], bool, of the stored image.
        """
        rng = np.random.default_rng(0)  # resizing draws nothing
        seen = samples if self.resize is None else [self.resize(s, rng) for s in samples]
        found = self.detector.predict(seen, vocabulary, threshold=threshold, top_k=top_k)
        pairs = zip(samples, found, strict=True)
        return [one.with_(masks=self.masks(sample, one.boxes)) for sample, one in pairs]
