"""Videos to test with: blobs of pure colour that move along lines."""

import os
from pathlib import Path

import cv2
import numpy as np
from blobs import paint

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read once, when the first video is opened

SIZE = (120, 160)
RATE = 10.0


def write_clip(path, pictures, rate=RATE, codec="mp4v"):
    """Write RGB pictures as a video."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()
    return Path(path)


def moving(count=12):
    """Two red blobs that pass each other, and a green one that stands still."""
    return [
        paint(
            SIZE,
            (8 + 8 * i, 8, 32 + 8 * i, 32, 0),
            (120 - 8 * i, 48, 144 - 8 * i, 72, 0),
            (64, 84, 96, 108, 1),
        )
        for i in range(count)
    ]


def numbered(count=20):
    """Grey pictures, each brighter than the last."""
    return [np.full((*SIZE, 3), 10 * i, np.uint8) for i in range(count)]


def spoil(clip, copy):
    """Write a copy of a video whose first frames are noise."""
    data = bytearray(Path(clip).read_bytes())
    start = data.index(b"mdat") + 4
    part = slice(start + 40, start + 60 + (data.index(b"moov") - start) // 8)
    data[part] = np.random.default_rng(3).bytes(part.stop - part.start)
    Path(copy).write_bytes(data)
    return copy
