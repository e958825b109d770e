"""What a followed video leaves behind: an annotated copy, and one line of JSON an object."""

import json
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2

from ovdet.apis.coco import decode_mask
from ovdet.apis.draw import draw
from ovdet.apis.images import Pixels
from ovdet.apis.table import named_rows
from ovdet.video.following import Followed

_CODEC = "mp4v"


class Recording:
    """Writes an annotated video and its objects, frame by frame; a context that closes both.

    A run that is stopped leaves what it had: each line is whole, and the video plays.

    Args:
        video: The annotated copy, ``.mp4``; its frames are drawn as ``ovdet.apis.draw`` does, one
            colour an identity.
        lines: JSON lines, one an object: ``frame``, ``time`` (s), ``id`` (null where there is none
            yet), ``label`` as it was given, ``score`` and ``box`` (xyxy, px of the video).
        rate: Frames a second of the copy.

    Raises:
        OSError: If a file cannot be written.
    """

    def __init__(self, video: Path, lines: Path, rate: float) -> None:
        video.parent.mkdir(parents=True, exist_ok=True)
        self.frames = 0
        self._video = video
        self._rate = rate
        self._writer: Any = None
        self._size = (0, 0)
        self._boxes: dict[str, int] = defaultdict(int)
        self._ids: dict[str, set[int]] = defaultdict(set)
        self._lines = lines.open("w", encoding="utf-8", errors="backslashreplace", buffering=1)

    def __enter__(self) -> "Recording":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish both files."""
        self._lines.close()
        if self._writer is not None:
            self._writer.release()

    def add(self, followed: Followed) -> None:
        """Write one frame."""
        self.frames += 1
        for record in records(followed):
            self._lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._boxes[record["label"]] += 1
            if record["id"] is not None:
                self._ids[record["label"]].add(record["id"])
        self._write(annotated(followed))

    def table(self) -> str:
        """Return how many identities and boxes each class had, as lines of text."""
        if not self._boxes:
            return "nothing found"
        rows = [f"{len(self._ids[label]):10d} {self._boxes[label]:8d}" for label in self._boxes]
        return named_rows(list(self._boxes), "identities    boxes", rows)

    def _write(self, picture: Pixels) -> None:
        height, width = picture.shape[:2]
        if self._writer is None:
            self._size = (width - width % 2, height - height % 2)  # the codec halves its colours
            code = cv2.VideoWriter.fourcc(*_CODEC)
            self._writer = cv2.VideoWriter(str(self._video), code, self._rate, self._size)
            if not self._writer.isOpened():
                raise OSError(f"{self._video}: a video cannot be written there")
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        if (width, height) != self._size:  # a stream may change its size
            bgr = cv2.resize(bgr, self._size)
        self._writer.write(bgr)


def records(followed: Followed) -> list[dict[str, Any]]:
    """Return the objects of a frame as JSON has them; see :class:`Recording`."""
    return [
        {
            "frame": followed.frame.index,
            "time": round(followed.frame.time, 3),
            "id": number,
            "label": found.label,
            "score": round(found.score, 4),
            "box": [round(side, 1) for side in found.box],
        }
        for found, number in zip(followed.result, followed.ids, strict=True)
    ]


def annotated(followed: Followed) -> Pixels:
    """Return the frame with its objects drawn: boxes, masks, names and identities."""
    result = followed.result
    labels = [
        label if number is None else f"{label} #{number}"
        for label, number in zip(result.labels, followed.ids, strict=True)
    ]
    masks = None if result.rles is None else (decode_mask(rle) for rle in result.rles)
    return draw(result.image, result.boxes, labels, result.scores, masks)
