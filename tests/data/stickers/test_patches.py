import colorsys

import numpy as np
import pytest

from ovdet.data.stickers.patches import COLOURS, clutter_patch, recolour, relight


@pytest.mark.parametrize("colour", [name for name in COLOURS if name != "grey"])
def test_recolour_gives_the_named_hue_to_any_colour(colour):
    rgb = np.random.default_rng(0).random((5, 6, 3), dtype=np.float32)
    wanted = colorsys.rgb_to_hsv(*COLOURS[colour])[0]
    hues = [colorsys.rgb_to_hsv(*pixel)[0] for pixel in recolour(rgb, colour).reshape(-1, 3)]
    gaps = np.abs(np.array(hues) - wanted)
    assert np.minimum(gaps, 1 - gaps).max() < 1e-4


def test_grey_has_no_hue_and_keeps_light_and_shade():
    rgb = np.float32([[[1, 0, 0], [1, 1, 1]]])
    grey = recolour(rgb, "grey")
    assert np.allclose(grey.std(axis=-1), 0, atol=1e-6)
    assert grey[0, 0, 0] < grey[0, 1, 0]


def test_relight():
    rgb = np.float32([[[0.2, 0.2, 0.2], [0.6, 0.6, 0.6]]])
    assert np.allclose(relight(rgb, 1, 1), rgb)
    assert np.allclose(relight(rgb, 1, 0), 0.4)
    assert np.allclose(relight(rgb, 2, 1)[0, :, 0], [0.4, 1])
    assert relight(rgb[:0], 1, 1).shape == (0, 2, 3)


@pytest.mark.usefixtures("font")
def test_clutter_fits_its_size_and_is_mostly_visible():
    rng = np.random.default_rng(0)
    seen = 0
    for side in np.linspace(6, 40, 60):
        patch = clutter_patch(rng, side)
        assert patch.shape[2] == 4
        assert max(patch.shape[:2]) <= 2.1 * side + 3
        seen += patch.size > 0
    assert seen > 50
