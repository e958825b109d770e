"""500 mutated pictures: each gives pixels or one clear line, never another exception."""

import io

import numpy as np
import pytest
from PIL import Image

from ovdet.apis.images import decode_image
from ovdet.structures import InputError

COUNT = 500
KINDS = [
    ("PNG", "RGB", {}),
    ("PNG", "P", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "I;16", {}),
    ("JPEG", "RGB", {"exif": True}),
    ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "CMYK", {}),
    ("GIF", "P", {}),
    ("BMP", "RGB", {}),
    ("BMP", "P", {}),
    ("TIFF", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "F", {}),
    ("WEBP", "RGB", {"exif": True}),
    ("WEBP", "RGBA", {"lossless": True}),
]


def originals(rng):
    image = Image.fromarray(rng.integers(0, 256, (24, 20, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = []
    for kind, mode, options in KINDS:
        memory = io.BytesIO()
        extra = options | ({"exif": exif} if "exif" in options else {})
        between = image.convert("I") if mode == "I;16" else image
        between.convert(mode).save(memory, kind, **extra)
        stored.append(memory.getvalue())
    return stored


def flip_bits(data, rng, _others):
    for place in rng.integers(0, len(data), rng.integers(1, 9)):
        data[place] ^= 1 << int(rng.integers(8))
    return data


def truncate(data, rng, _others):
    return data[: int(rng.integers(len(data)))]


def swap_header(data, rng, others):
    length = int(rng.integers(4, 64))
    data[:length] = others[int(rng.integers(len(others)))][:length]
    return data


def lie_in_header(data, rng, _others):
    place = int(rng.integers(min(len(data), 100)))
    data[place : place + 4] = rng.integers(0, 256, 4, dtype=np.uint8).tobytes()
    return data


MUTATIONS = [flip_bits, truncate, swap_header, lie_in_header]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_mutated_pictures(mutate):
    rng = np.random.default_rng(20261122)
    stored = originals(rng)
    read, lines = 0, []
    for i in range(COUNT // len(MUTATIONS)):
        data = mutate(bytearray(stored[i % len(stored)]), rng, stored)
        try:
            pixels = decode_image(bytes(data), "mutant")
        except InputError as error:
            lines.append(str(error))
        else:
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3
            read += 1
    assert len(lines) > 5
    assert read + len(lines) == COUNT // len(MUTATIONS)
    assert all(line.startswith("mutant: ") and line.isprintable() for line in lines)


def test_the_originals_are_sound():
    for data in originals(np.random.default_rng(0)):
        assert decode_image(data, "original").shape in {(24, 20, 3), (20, 24, 3)}
