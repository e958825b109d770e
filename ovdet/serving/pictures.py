"""Pictures of requests: base64 to pixels, a few at a time, and nothing that takes for ever."""

import asyncio
import base64
import os
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from ovdet.apis.images import FORMATS, Pixels, decode_image
from ovdet.structures import InputError

# An icon may hold a picture of another size than it declares.
_FORMATS = tuple(name for name in FORMATS if name != "ICO")
_ROOM = 8  # pictures of the largest size that may wait decoded

# A JPEG of a few MB can hold a hundred thousand passes over all its pixels; encoders write about
# ten. Segments are counted too, because walking through millions of them is work as well.
_MOST_SCANS, _MOST_SEGMENTS = 100, 20_000
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_START, _SCAN, _END = b"\xd8", b"\xda", b"\xd9"


def read_base64(text: str, most: int) -> Pixels:
    """Decode a picture file given in base64.

    Args:
        text: The file.
        most: Most pixels of the picture.

    Raises:
        InputError: If it is not base64, or not a whole picture within limits.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InputError("image: must be base64 of a picture's file") from error
    _check_scans(data)
    return decode_image(data, "image", most=most, formats=_FORMATS)


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG of many passes; other formats have none."""
    at, scans, segments = 0, 0, 0
    while data.startswith(b"\xff\xd8") and (found := _MARKER.search(data, at)):
        code, at = found[1], found.end()
        if code == _END:
            return
        if code != _START:
            at += int.from_bytes(data[at : at + 2])  # entropy-coded data follow those of a scan
        scans += code == _SCAN
        segments += 1
        if scans > _MOST_SCANS or segments > _MOST_SEGMENTS:
            raise InputError(
                f"image: has more than {_MOST_SCANS} scans or {_MOST_SEGMENTS} segments, "
                "no encoder writes such a JPEG"
            )


class Reader:
    """Decodes pictures in threads; when many wait decoded, the next stay as they came.

    Args:
        most: Most pixels of a picture.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="ovdet-picture")
        self._decoded = 0  # px
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def read(self, text: str) -> AsyncIterator[Pixels]:
        """Decode a picture and have it counted as decoded until the context ends.

        Raises:
            InputError: As :func:`read_base64`.
        """
        while self._decoded + self._most > _ROOM * self._most:
            self._freed.clear()
            await self._freed.wait()
        counted = self._most  # until its size is known
        self._decoded += counted
        try:
            loop = asyncio.get_running_loop()
            pixels = await loop.run_in_executor(self._threads, read_base64, text, self._most)
            surplus = counted - pixels.shape[0] * pixels.shape[1]
            counted -= surplus
            self._free(surplus)
            yield pixels
        finally:
            self._free(counted)

    def _free(self, pixels: int) -> None:
        self._decoded -= pixels
        self._freed.set()

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown()
