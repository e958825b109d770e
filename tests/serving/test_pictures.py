import asyncio
import base64
import io
import struct
import zlib

import numpy as np
import pytest
from colour_server import encoded, picture
from PIL import Image

from ovdet.serving.pictures import Reader, read_base64
from ovdet.structures import InputError


def bomb(width, height):
    """Return a PNG that declares a size and holds next to nothing."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


def stored(image, kind, **how):
    return base64.b64decode(encoded(image, kind, **how))


def many_scans(count):
    """Return a progressive JPEG whose last scan comes again and again."""
    data = stored(picture(size=(64, 64)), "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    return data[:at] + data[at:-2] * count + data[-2:]


def test_what_is_read():
    turned = Image.Exif()
    turned[0x0112] = 6  # lies on its side
    image = picture("blue", (20, 12))
    assert read_base64(encoded(image), 240).shape == (12, 20, 3)
    assert read_base64(encoded(image, "TIFF", exif=turned), 240).shape == (20, 12, 3)
    frames = [picture("red"), picture("blue")]
    read = read_base64(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), 240)
    assert (read == [255, 0, 0]).all()
    assert read_base64(encoded(picture(size=(1, 1))), 1).shape == (1, 1, 3)
    assert read_base64(encoded(image, "JPEG", progressive=True), 240).shape == (12, 20, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not base64!", "image: must be base64"),
        ("é", "image: must be base64"),
        ("AAA", "image: must be base64"),
        ("", "image: is empty"),
        ("AAAA", "image: is not a picture"),
        (encoded(stored(picture(), "PNG")[:50]), "image: is truncated"),
        (encoded(picture(size=(16, 16)), "ICO"), "image: is not a picture"),
        (encoded(picture(size=(30, 30))), "has 30 x 30 pixels, at most 500 are read"),
        (encoded(bomb(2**31 - 1, 2**31 - 1)), "image: is not a readable picture|at most 500"),
        (encoded(bomb(20_000, 20_000)), "image: is not a readable picture|at most 500"),
        (encoded(bomb(9_000, 9_000)), "has 9000 x 9000 pixels, at most 500 are read"),
    ],
)
def test_what_is_refused(text, told):
    with pytest.raises(InputError, match=told):
        read_base64(text, 500)


def test_a_jpeg_of_endless_scans_is_refused():
    assert read_base64(encoded(many_scans(50)), 4096).shape == (64, 64, 3)
    with pytest.raises(InputError, match="more than 100 scans"):
        read_base64(encoded(many_scans(200)), 4096)
    comments = b"\xff\xd8" + b"\xff\xfe\x00\x02" * 30_000
    with pytest.raises(InputError, match="20000 segments"):
        read_base64(encoded(comments), 4096)


def test_what_looks_like_a_scan_within_metadata_is_none():
    file = io.BytesIO()
    picture(size=(64, 64)).save(file, "JPEG", comment=b"\xff\xda" * 1000)
    assert read_base64(encoded(file.getvalue() + b"\xff\xda" * 1000), 4096).shape == (64, 64, 3)


def test_few_wait_decoded(monkeypatch):
    """With room for 8 of the largest, a ninth is decoded only when one has gone."""
    seen = []
    monkeypatch.setattr(
        "ovdet.serving.pictures.read_base64",
        lambda text, most: seen.append(text) or np.zeros((10, most // 10, 3), np.uint8),
    )

    async def hold(reader, leave):
        async with reader.read("x"):
            await leave.wait()

    async def run():
        reader, leave = Reader(100), asyncio.Event()
        tasks = [asyncio.ensure_future(hold(reader, leave)) for _ in range(12)]
        while len(seen) < 8:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        assert len(seen) == 8
        tasks[0].cancel()
        tasks[1].cancel()
        while len(seen) < 10:
            await asyncio.sleep(0.001)
        leave.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(one is None for one in done) == 10
        assert reader._decoded == 0
        reader.close()

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_broken_picture_gives_its_room_back():
    async def run():
        reader = Reader(100)
        for _ in range(20):
            with pytest.raises(InputError, match="base64"):
                async with reader.read("?"):
                    pass
        assert reader._decoded == 0
        reader.close()

    asyncio.run(asyncio.wait_for(run(), 20))
