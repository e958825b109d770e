import math

import numpy as np
import pytest

from ovdet.data.stickers import sprites
from ovdet.data.stickers.names import STICKERS
from ovdet.data.stickers.sprites import crop_to_visible, find_font, sprite, turned_glyph
from ovdet.structures import InputError


def test_missing_font_names_the_package(monkeypatch):
    monkeypatch.delenv("OVDET_STICKER_FONT", raising=False)
    monkeypatch.setattr(sprites, "_FONT_PLACES", ())
    with pytest.raises(InputError, match="Debian package fonts-noto-color-emoji"):
        find_font()


def test_wrong_variable_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("OVDET_STICKER_FONT", str(tmp_path / "none.ttf"))
    with pytest.raises(InputError, match=r"OVDET_STICKER_FONT must name .* got .*none\.ttf"):
        find_font()


def test_file_that_is_no_font(monkeypatch, tmp_path):
    path = tmp_path / "text.ttf"
    path.write_text("no font")
    monkeypatch.setenv("OVDET_STICKER_FONT", str(path))
    with pytest.raises(InputError, match=r"text\.ttf must be NotoColorEmoji"):
        sprite("dog")


def test_unknown_name():
    with pytest.raises(InputError, match="got 'flying teapot'"):
        sprite("flying teapot")


@pytest.mark.usefixtures("font")
def test_every_name_has_a_picture_tight_in_its_frame():
    for name in STICKERS:
        alpha = sprite(name)[..., 3]
        assert max(alpha.shape) > 60
        edges = (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])
        assert all(edge.any() for edge in edges), name


@pytest.mark.usefixtures("font")
def test_turned_glyph_has_the_size_asked_for():
    pizza = STICKERS["pizza"]
    assert max(turned_glyph(pizza, 40, 0.0, flip=False).shape[:2]) == pytest.approx(40, abs=2)
    upright = turned_glyph(STICKERS["ladder"], 60, 0.0, flip=False)
    lying = turned_glyph(STICKERS["ladder"], 60, math.pi / 2, flip=False)
    assert lying.shape[:2] == pytest.approx(upright.shape[1::-1], abs=2)


@pytest.mark.usefixtures("font")
def test_turning_is_counter_clockwise_and_flip_mirrors():
    upright = turned_glyph(STICKERS["bus"], 60, 0.0, flip=False).astype(int)
    mirrored = turned_glyph(STICKERS["bus"], 60, 0.0, flip=True).astype(int)
    assert _distance(mirrored, upright[:, ::-1]) < 0.3 * _distance(upright, upright[:, ::-1])
    turned = turned_glyph(STICKERS["bus"], 60, math.pi / 2, flip=False).astype(int)
    left, right = np.rot90(upright), np.rot90(upright, -1)
    assert _distance(turned, left) < 0.3 * _distance(turned, right)


def _distance(first, second):
    height = min(first.shape[0], second.shape[0])
    width = min(first.shape[1], second.shape[1])
    return np.abs(first[:height, :width] - second[:height, :width]).mean()


def test_crop_to_visible():
    pixels = np.zeros((6, 7, 4), np.uint8)
    pixels[2:4, 3:6, 3] = 200
    pixels[0, 0, 3] = 127
    assert crop_to_visible(pixels).shape == (2, 3, 4)
    assert crop_to_visible(pixels[:1]).size == 0
