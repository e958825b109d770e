"""Refinements against transcriptions of their equations, one place at a time."""

import pytest
import torch

from ovdet.heads import KeySmooth, Pamr, PromptDenoise


@pytest.fixture
def logits():
    torch.manual_seed(0)
    return torch.randn(2, 4, 3, 2) * 2


def test_prompts_are_denoised_by_hand(logits):
    logits[0, 3] -= 9
    found = PromptDenoise(0.5)(logits, None, [])
    for image in range(2):
        for name in range(4):
            sure = [
                (logits[image, name, y, x] - logits[image, :, y, x].logsumexp(0)).exp()
                for y in range(3)
                for x in range(2)
            ]
            expected = logits[image, name] if max(sure) >= 0.5 else torch.full((3, 2), -1e4)
            assert torch.equal(found[image, name], expected)
    assert (found[0, 3] == -1e4).all()
    assert torch.equal(PromptDenoise(0.0)(logits, None, []), logits)


def test_the_surest_class_stays_where_none_is_sure(logits):
    found = PromptDenoise(1.0)(logits, None, [])
    assert ((found > -1e4).any(dim=(2, 3)).sum(dim=1) == 1).all()
    surest = logits.softmax(dim=1).amax(dim=(2, 3)).argmax(dim=1)
    assert torch.equal((found > -1e4).any(dim=(2, 3)).int().argmax(dim=1), surest)


@pytest.mark.parametrize("threshold", [0.6, 1.0])
def test_keys_smooth_by_hand(logits, threshold):
    keys = torch.rand(2, 5, 3, 2)  # all cosines are positive
    sure = logits.softmax(dim=1)
    expected = sure.clone()
    for image in range(2):
        places = [(y, x) for y in range(3) for x in range(2)]
        for y, x in places:
            if sure[image, :, y, x].max() >= threshold:
                continue
            mixed = torch.zeros(4)
            for v, u in places:
                one, other = keys[image, :, y, x], keys[image, :, v, u]
                mixed += one @ other / (one.norm() * other.norm()) * sure[image, :, v, u]
            expected[image, :, y, x] = mixed / mixed.sum()
    found = KeySmooth(threshold, level=0)(logits, None, [keys, logits])
    torch.testing.assert_close(found.exp(), expected)


def test_opposite_keys_give_no_nan(logits):
    keys = torch.randn(2, 1, 3, 2).sign()
    found = KeySmooth(level=0)(logits, None, [keys])
    assert torch.isfinite(found).all()
    with pytest.raises(
        ValueError, match=r"keys must be of the logits' grid \(3, 2\), got \(6, 4\)"
    ):
        KeySmooth(level=0)(logits, None, [torch.randn(2, 1, 6, 4)])


def test_pamr_by_hand():
    torch.manual_seed(0)
    images, logits = torch.rand(1, 3, 4, 5), torch.randn(1, 2, 4, 5)
    found = Pamr(2, (1, 2))(logits, images, [])

    def at(maps, y, x):
        return maps[0, :, min(max(y, 0), 3), min(max(x, 0), 4)]

    expected = logits
    for _ in range(2):
        after = torch.zeros_like(expected)
        for y in range(4):
            for x in range(5):
                steps = [
                    (d * a, d * b)
                    for d in (1, 2)
                    for a in (-1, 0, 1)
                    for b in (-1, 0, 1)
                    if (a, b) != (0, 0)
                ]
                near = torch.stack([at(images, y + a, x + b) for a, b in steps])
                itself = at(images, y, x)
                spread = torch.cat([near, itself[None], itself[None]]).std(dim=0)
                unlike = ((near - itself).abs() / (1e-8 + 0.1 * spread)).mean(dim=1)
                weights = (-unlike).softmax(dim=0)
                maps = torch.stack([at(expected, y + a, x + b) for a, b in steps])
                after[0, :, y, x] = (weights[:, None] * maps).sum(dim=0)
        expected = after
    torch.testing.assert_close(found, expected)


def test_pamr_keeps_what_is_even_and_takes_the_pictures_grid():
    found = Pamr(3, (1,), stride=2)(torch.full((2, 3, 2, 2), 4.0), torch.rand(2, 3, 8, 12), [])
    torch.testing.assert_close(found, torch.full((2, 3, 4, 6), 4.0))


def test_arguments_are_checked():
    for kind in (PromptDenoise, KeySmooth):
        with pytest.raises(ValueError, match="threshold must be 0 to 1, a probability, got 2"):
            kind(2)
    with pytest.raises(ValueError, match=r"steps and stride >= 1 and some dilations, got 0, 1"):
        Pamr(0)
