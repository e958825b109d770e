"""Frames of a file, a camera or a stream, read ahead in a thread."""

import math
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np

from ovdet.apis.images import Pixels
from ovdet.structures import InputError

_USUAL = 30.0  # frames a second where a source does not say
_FASTEST = 1000.0  # what a source says beyond this, or from it on, is a clock's rate
_PATIENCE = 30  # frames in a row that fail before a source is taken to be at its end
_WAIT = 0.1  # s between looks at whether the reader shall stop


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        index: Its place in the video, from 0 on; bad frames and those left out count.
        time: s from the beginning; of a live source, when it arrived.
        pixels: RGB, uint8, [H, W, 3].
    """

    index: int
    time: float
    pixels: Pixels


class Frames:
    """The frames of a video, each once, in order; a context that closes the source.

    A thread reads and decodes while the caller works, at most ``ahead`` frames. A file waits for
    the caller; a live source does not, so its oldest waiting frame is dropped for the newest. A
    frame that cannot be decoded is counted and left out.

    Args:
        source: A file, an address as ``rtsp://...``, or the number of a camera.
        every: Only each so many-th frame is given, from the first on; at least 1.
        ahead: Most frames that wait, at least 1.

    Attributes:
        name: What the source may be called in file names.
        rate: Frames a second of those given; 30 / ``every`` where the source does not say.
        count: How many frames the file says it has; 0 of a live source.
        bad: How many frames could not be read so far, those missing at a file's end included.
        dropped: How many frames of a live source were dropped so far.

    Raises:
        InputError: If a number is below 1, or the source cannot be opened.
    """

    def __init__(self, source: str | Path | int, every: int = 1, ahead: int = 8) -> None:
        for what, value in (("every", every), ("ahead", ahead)):
            if value < 1:
                raise InputError(f"{what} must be at least 1, got {value}")
        self.name = _name(source)
        self._capture = _open(source)
        self._every = every
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self._step = 1 / (rate if 0 < rate < _FASTEST else _USUAL)
        self.rate = 1 / self._step / every
        self.count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.bad = 0
        self.dropped = 0
        self._waiting: queue.Queue[Frame | None] = queue.Queue(ahead)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, "frames")
        self._reading = self._pool.submit(self._read)

    def __enter__(self) -> "Frames":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self._waiting.get()) is not None:
            yield frame
        self._reading.result()  # what went wrong in the thread is raised here

    def close(self) -> None:
        """Stop reading and close the source; frames that wait are lost."""
        self._stop.set()
        self._pool.shutdown(wait=True)
        self._capture.release()

    def _read(self) -> None:
        """Read to the end, in the thread."""
        start = time.monotonic()
        moment, failed = -self._step, 0
        index = 0
        try:
            while not self._stop.is_set() and not self._ended(index, failed):
                pixels = self._next(wanted=index % self._every == 0)
                index += 1
                if pixels is None:
                    failed += 1
                    continue
                self.bad, failed = self.bad + failed, 0
                moment = self._moment(moment) if self.count else time.monotonic() - start
                if pixels.size:
                    self._give(Frame(index - 1, moment, pixels))
            self._count_missing(index - failed)
        finally:
            self._give(None)

    def _next(self, *, wanted: bool) -> Pixels | None:
        """Return the next frame; an empty picture if it is not wanted, None if it is bad."""
        if not self._capture.grab():
            return None
        if not wanted:
            return np.zeros((0, 0, 3), np.uint8)
        good, picture = self._capture.retrieve()
        if not good or picture is None or not picture.size:
            return None
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)

    def _moment(self, last: float) -> float:
        """Return a file's time of the frame just read, later than the last one's."""
        told = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        return told if math.isfinite(told) and told > last else last + self._step

    def _ended(self, index: int, failed: int) -> bool:
        if not failed:
            return False
        return failed >= _PATIENCE or (self.count > 0 and index >= self.count)

    def _count_missing(self, read: int) -> None:
        """Add what a file lacks; its own count is an estimate, so a few frames do not matter."""
        missing = self.count - read
        if not self._stop.is_set() and missing > max(2, self.count // 100):
            self.bad += missing

    def _give(self, frame: Frame | None) -> None:
        while not self._stop.is_set():
            try:
                self._waiting.put(frame, timeout=_WAIT)
            except queue.Full:
                if not self.count and frame is not None:
                    self._drop()
                continue
            return

    def _drop(self) -> None:
        try:
            self._waiting.get_nowait()
        except queue.Empty:  # the caller was quicker
            return
        self.dropped += 1


def _open(source: str | Path | int) -> Any:
    camera = _camera(source)
    if camera is not None:
        capture = cv2.VideoCapture(camera)
        called = f"camera {camera}"
    else:
        called = str(source)
        if "://" not in called:
            _check_file(Path(called))
        capture = cv2.VideoCapture(called)
    if not capture.isOpened():
        raise InputError(f"{called}: is not a video, a camera or a stream that can be read")
    return capture


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: cannot be read: No such file or directory")
    if not path.is_file():
        raise InputError(f"{path}: must be a video file")


def _camera(source: str | Path | int) -> int | None:
    """Return the number of a camera, None for anything else; a file of that name goes first."""
    if isinstance(source, int):
        return source
    text = str(source)
    return int(text) if text.isdecimal() and not Path(text).exists() else None


def _name(source: str | Path | int) -> str:
    camera = _camera(source)
    if camera is not None:
        return f"camera{camera}"
    text = str(source)
    return Path(urlsplit(text).path if "://" in text else text).stem or "stream"
