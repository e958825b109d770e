"""Identities: ByteTrack over the boxes of successive frames, one class at a time.

Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022,
https://arxiv.org/abs/2110.06864, as the package ``trackers`` has it.
"""

from typing import Any

import numpy as np

from ovdet.apis.result import Result
from ovdet.structures import InputError

Ids = tuple[int | None, ...]
_MEMORY = 1  # s that an identity is kept while nothing is seen of it


class Tracker:
    """Gives the objects of successive frames identities.

    Boxes are compared within their class alone: where names overlap (a person and their coat) one
    thing may bear both, and neither takes the other's identity; an identity keeps its name. It is
    kept for 1 s while nothing is seen of it.

    Args:
        threshold: Score from which an object is shown and may begin an identity, in (0, 1]; one
            that scores less only continues an identity.
        rate: Frames a second.

    Raises:
        ImportError: If the package trackers is not installed.
        InputError: If a number is out of its range.
    """

    def __init__(self, threshold: float, rate: float) -> None:
        if not 0 < threshold <= 1:
            raise InputError(f"threshold of a tracker must lie in (0, 1], got {threshold}")
        if rate <= 0:
            raise InputError(f"rate must be above 0 frames a second, got {rate}")
        self._kind = _byte_track()
        self._threshold = threshold
        self._options = {
            "lost_track_buffer": 30 * _MEMORY,  # counted at 30 a second, whatever the rate
            "frame_rate": rate,
            "track_activation_threshold": threshold,
            "high_conf_det_threshold": threshold,
        }
        self._trackers: dict[int, Any] = {}  # by class
        self._ids: dict[tuple[int, int], int] = {}  # by class and its tracker's own number

    def update(self, result: Result, time: float) -> tuple[Result, Ids]:
        """Return what is shown of a frame, and the identity of each object.

        Args:
            result: What was found, best with scores below the threshold too; of the same
                vocabulary each time.
            time: s, later than the last one.

        Returns:
            The objects that score the threshold or continue an identity, best first; and for each
            its identity, from 1 on, or None: it begins with the second frame in a row.
        """
        ids: list[int | None] = [None] * len(result)
        for label in sorted({*self._trackers, *result.class_ids.tolist()}):
            if label not in self._trackers:
                self._trackers[label] = self._kind(**self._options)
            places = np.flatnonzero(result.class_ids == label)
            for place, number in self._track(label, result, places, time):
                ids[place] = self._ids.setdefault((label, number), len(self._ids) + 1)
        shown = [
            place
            for place, score in enumerate(result.scores.tolist())
            if score >= self._threshold or ids[place] is not None
        ]
        return result[shown], tuple(ids[place] for place in shown)

    def _track(
        self, label: int, result: Result, places: np.ndarray[Any, Any], time: float
    ) -> list[tuple[int, int]]:
        """Return for the objects of one class their places and numbers, of those that have one."""
        from supervision import Detections

        boxes = Detections(
            xyxy=result.boxes[places].astype(np.float64),
            confidence=result.scores[places],
            data={"place": places},
        )
        tracked = self._trackers[label].update(boxes, timestamp=time)
        if not len(tracked):
            return []
        pairs = zip(tracked.data["place"].tolist(), tracked.tracker_id.tolist(), strict=True)
        return [(place, number) for place, number in pairs if number >= 0]


def _byte_track() -> Any:
    try:
        from trackers import ByteTrackTracker
    except ImportError as error:
        raise ImportError(
            f'identities need trackers: pip install "ovdet[track]" ({error})'
        ) from error
    return ByteTrackTracker
