"""What the detectors of folders have in common."""

from torch import Tensor

from ovdet.detectors.base import Detector
from ovdet.structures import InputError, Sample, Vocabulary


class FolderDetector(Detector):
    """A detector with finished weights, which sizes its pictures itself.

    Args:
        threshold: Least score of an object shown when the user names none.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Refuse: its pictures are sized for predictions.

        Raises:
            InputError: Always.
        """
        del samples, vocabulary
        raise InputError(
            "a folder's detector predicts; to train on its weights name them in a config of the "
            "method"
        )
