"""Following: a model and a tracker over the frames of a video."""

from collections.abc import Iterator
from dataclasses import dataclass

from ovdet.apis.inputs import Classes, as_vocabulary
from ovdet.apis.model import DETECT, Model
from ovdet.apis.result import Result
from ovdet.apis.segmenting import INSTANCE
from ovdet.apis.tiling import Tiled
from ovdet.video.frames import Frame, Frames
from ovdet.video.tracking import Ids, Tracker


@dataclass(frozen=True, eq=False)
class Followed:
    """What one frame shows.

    Attributes:
        frame: The frame.
        result: The N objects, best first.
        ids: N identities, from 1 on; None where an object has none yet.
    """

    frame: Frame
    result: Result
    ids: Ids


def follow(
    model: Model | Tiled,
    frames: Frames,
    classes: Classes | None,
    *,
    threshold: float | None = None,
    top_k: int = 100,
) -> Iterator[Followed]:
    """Yield what is found in each frame, with identities.

    The model is asked for scores down to half the threshold: such objects are shown where they
    continue an identity.

    Args:
        model: As a whole or on tiles; a segmentor is asked for ``instance``.
        frames: The frames.
        classes: As for ``Model.detect``.
        threshold: Least score of an object that begins an identity, in (0, 1]; the model's own
            when None.
        top_k: Most objects a frame, at least 1.

    Raises:
        ImportError: If the package trackers is not installed.
        InputError: As ``Model.detect``, or if the threshold is 0.
    """
    least = model.settings.threshold if threshold is None else threshold
    tracker = Tracker(least, frames.rate)
    vocabulary = None if classes is None else as_vocabulary(classes)
    for frame in frames:
        pixels = frame.pixels
        if model.task == DETECT:
            found = model.detect(pixels, vocabulary, threshold=least / 2, top_k=top_k)
        else:
            found = model.segment(pixels, vocabulary, INSTANCE, threshold=least / 2, top_k=top_k)
        yield Followed(frame, *tracker.update(found, frame.time))
