import numpy as np
import pytest

from ovdet.data.stickers import grounds
from ovdet.data.stickers.grounds import paint_ground

KINDS = ("brick", "desert", "grass", "sky")


@pytest.fixture
def flat(monkeypatch):
    """Textures of one value each, so that the picture itself tells what is where."""
    textures = {
        name: lambda _rng, height, width, value=value: np.full((height, width, 3), value)
        for value, name in enumerate(KINDS)
    }
    monkeypatch.setattr(grounds, "TEXTURES", textures)


@pytest.mark.usefixtures("flat")
def test_the_map_is_that_of_the_picture():
    seen = set()
    for seed in range(60):
        picture, kind, names = paint_ground(np.random.default_rng(seed), 40, KINDS, horizon=0.8)
        values = np.array([KINDS.index(name) for name in names])
        assert np.array_equal(picture[..., 0], values[kind])
        seen.add(names)
        if len(names) == 2:
            assert names[0] in {"brick", "sky"}
            assert names[1] in {"desert", "grass"}
            assert (np.diff(kind.astype(int), axis=0) >= 0).all()  # the second lies below
            assert 0.1 < kind.mean() < 0.9
    assert len(seen) == 8  # four alone, and each upper with each lower


@pytest.mark.usefixtures("flat")
def test_shares_of_horizons():
    def pairs(share):
        rngs = map(np.random.default_rng, range(100))
        return sum(len(paint_ground(rng, 24, KINDS, horizon=share)[2]) == 2 for rng in rngs)

    assert (pairs(0.0), pairs(1.0)) == (0, 100)
    assert 30 < pairs(0.5) < 70


def test_a_single_kind():
    picture, kind, names = paint_ground(np.random.default_rng(0), 32, ("grass",), horizon=0.0)
    assert picture.shape == (32, 32, 3)
    assert not kind.any()
    assert names == ("grass",)
