import numpy as np
import pytest

from ovdet.data.stickers.backgrounds import TEXTURES, blend, paint_background, smooth_noise


@pytest.mark.parametrize("name", TEXTURES)
@pytest.mark.parametrize("shape", [(64, 96), (6, 7)])
def test_textures_fill_their_frame_and_vary_with_the_seed(name, shape):
    first, again, other = (TEXTURES[name](np.random.default_rng(s), *shape) for s in (1, 1, 2))
    assert first.shape == (*shape, 3)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_textures_differ_from_each_other_more_than_from_themselves():
    means = {
        name: np.stack([paint(np.random.default_rng(s), 64, 64).mean((0, 1)) for s in range(6)])
        for name, paint in TEXTURES.items()
    }
    centres = np.stack([mean.mean(0) for mean in means.values()])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    within = np.mean([mean.std(0).mean() for mean in means.values()])
    assert apart[np.triu_indices(len(centres), 1)].mean() > 3 * within


def test_background_is_one_kind_or_two_above_each_other():
    one, names = paint_background(np.random.default_rng(0), 64, 80, split=0)
    assert one.shape == (64, 80, 3)
    assert one.min() >= 0
    assert one.max() <= 1
    assert len(names) == 1
    _, names = paint_background(np.random.default_rng(0), 64, 64, split=1)
    assert len(set(names)) == 2


def test_smooth_noise_is_in_range():
    noise = smooth_noise(np.random.default_rng(0), 20, 30, (4, 5))
    assert noise.shape == (20, 30)
    assert noise.min() >= 0
    assert noise.max() <= 1


def test_blend_ends_at_the_two_colours():
    low, high = np.float32([0, 0.2, 0.4]), np.float32([1, 0.6, 0.4])
    mixed = blend(np.float32([[0, 0.5, 1]]), low, high)
    assert np.allclose(mixed, [[low, [0.5, 0.4, 0.4], high]])
