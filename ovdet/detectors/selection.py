"""Which of the scored boxes come back."""

from dataclasses import dataclass

from ovdet.registry import MODELS


@MODELS.register_module()
@dataclass(frozen=True)
class Selection:
    """Which of the scored boxes come back.

    Attributes:
        threshold: Least score.
        nms: Overlap above which the lower-scored box of the same class is dropped; None drops none.
        top: Most boxes an image.
        candidates: Most (region, class) pairs an image that enter suppression.
    """

    threshold: float = 0.0
    nms: float | None = 0.5
    top: int = 100
    candidates: int = 1000
