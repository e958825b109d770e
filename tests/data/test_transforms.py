from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as reference

from ovdet.data import ColorJitter, RandomFlip, RandomResize, Resize, ResizeTo, ScaleJitter
from ovdet.data.transforms import crop, flip, pad, resize
from ovdet.structures import InputError, Regions, Sample

RNG = np.random.default_rng(0)


def make(height=20, width=30):
    """A sample whose one mask is its box, with two proposals."""
    image = torch.from_numpy(np.random.default_rng(1).random((3, height, width), np.float32))
    masks = torch.zeros(1, height, width, dtype=torch.bool)
    masks[0, 4:10, 6:18] = True
    owner = torch.zeros(1, dtype=torch.int64)
    truth = Regions(torch.tensor([[6.0, 4, 18, 10]]), owner, labels=owner, masks=masks)
    proposals = Regions(
        torch.tensor([[0.0, 0, 4, 4], [10, 10, 30, 20]]),
        torch.zeros(2, dtype=torch.int64),
        embeddings=torch.tensor([[1.0, 0], [0, 1]]),
    )
    return Sample(image, 1, original_size=(height, width), truth=truth, proposals=proposals)


def box_of(mask):
    rows, columns = mask.nonzero(as_tuple=True)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_resizing_scales_everything():
    sample = resize(make(), 40, 90)
    assert sample.image.shape == (3, 40, 90)
    assert sample.truth.boxes.tolist() == [[18, 8, 54, 20]]
    assert box_of(sample.truth.masks[0]) == [18, 8, 54, 20]
    assert sample.proposals.boxes.tolist() == [[0, 0, 12, 8], [30, 20, 90, 40]]
    assert sample.scale == (3.0, 2.0)
    assert sample.to_original(sample.truth.boxes).tolist() == make().truth.boxes.tolist()


def test_shrinking_is_antialiased_as_torchvision_does():
    sample = make()
    expected = reference.resize(sample.image, [10, 13], antialias=True)
    assert torch.allclose(resize(sample, 10, 13).image, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "expected"), [((20, 30), (20, 30)), ((30, 20), (30, 20)), ((20, 200), (9, 90))]
)
def test_resize_keeps_the_shape(size, expected):
    assert Resize(20, 90)(make(*size), RNG).image.shape[1:] == expected


def test_resize_to_sets_both_sides():
    assert ResizeTo(7, 9)(make(), RNG).image.shape == (3, 7, 9)


def test_flipping_mirrors_everything():
    sample = flip(make())
    assert sample.truth.boxes.tolist() == [[12, 4, 24, 10]]
    assert box_of(sample.truth.masks[0]) == [12, 4, 24, 10]
    assert sample.proposals.boxes.tolist() == [[26, 0, 30, 4], [0, 10, 20, 20]]
    twice = flip(sample)
    assert torch.equal(twice.image, make().image)
    assert torch.equal(twice.truth.boxes, make().truth.boxes)


def test_cropping_drops_what_is_gone_with_its_embedding():
    sample = crop(make(), 5, 8, 10, 12)
    assert sample.image.shape == (3, 10, 12)
    assert sample.truth.boxes.tolist() == [[0, 0, 10, 5]]
    assert box_of(sample.truth.masks[0]) == [0, 0, 10, 5]
    assert sample.proposals.boxes.tolist() == [[2, 5, 12, 10]]
    assert sample.proposals.embeddings.tolist() == [[0, 1]]
    assert len(crop(make(), 12, 20, 5, 5).truth) == 0


def labelled():
    """A sample whose label map names the columns, with classes that 8 bits do not hold."""
    return replace(make(), semantic=torch.arange(30).expand(20, 30) * 1000 - 1)


def test_a_label_map_moves_with_its_image_and_is_never_mixed():
    wide = resize(labelled(), 40, 90).semantic
    assert wide.tolist() == [[i // 3 * 1000 - 1 for i in range(90)]] * 40
    narrow = resize(labelled(), 10, 15).semantic
    assert narrow[0].tolist() == [i * 2000 - 1 for i in range(15)]
    assert flip(labelled()).semantic[3].tolist() == [(29 - i) * 1000 - 1 for i in range(30)]
    assert crop(labelled(), 5, 8, 10, 12).semantic.shape == (10, 12)
    assert crop(labelled(), 5, 8, 10, 12).semantic[0, 0] == 7999
    assert wide.dtype == narrow.dtype == torch.int64


def test_a_label_map_moves_as_a_mask_does():
    sample = replace(make(), semantic=make().truth.masks[0].long())
    for change in (ResizeTo(13, 47), RandomFlip(1.0), ScaleJitter(0.5, 2.0, 16)):
        moved = change(sample, np.random.default_rng(3))
        assert moved.semantic.shape == moved.image.shape[1:]
        if len(moved.truth):
            assert torch.equal(moved.semantic.bool(), moved.truth.masks[0])


def test_facts_without_a_place_stay():
    facts = {"positive": (1,), "negative": (2,), "not_exhaustive": (3,), "phrases": ((0, 3),)}
    sample = replace(make(), captions=("cat",), source="a", **facts)
    for change in (ResizeTo(5, 6), RandomFlip(1.0), ScaleJitter(0.5, 2.0, 16), ColorJitter()):
        moved = change(sample, np.random.default_rng(0))
        assert {name: getattr(moved, name) for name in facts} == facts
        assert (moved.captions, moved.source) == (("cat",), "a")


@pytest.mark.parametrize("masks", [None, torch.zeros(0, 20, 30, dtype=torch.bool)])
def test_a_sample_without_objects_is_transformed_too(masks):
    sample = Sample(torch.rand(3, 20, 30), 1, truth=Regions.empty().with_(masks=masks))
    for change in (ResizeTo(5, 6), RandomFlip(1.0), ScaleJitter(0.5, 2.0, 16), ColorJitter()):
        assert len(change(sample, np.random.default_rng(0)).truth) == 0


def test_scale_jitter_stays_within_its_bounds():
    sizes = [
        ScaleJitter(0.5, 2.0, 16)(make(), np.random.default_rng(seed)).image.shape[1:]
        for seed in range(30)
    ]
    assert max(max(size) for size in sizes) == 16
    assert min(max(size) for size in sizes) >= 8
    assert len(set(sizes)) > 5


def test_large_scale_jitter_fills_up_to_one_size():
    for seed in range(8):
        plain, padded = (
            ScaleJitter(0.1, 2.0, 16, pad=fill)(labelled(), np.random.default_rng(seed))
            for fill in (False, True)
        )
        height, width = plain.image.shape[1:]
        assert padded.image.shape == (3, 16, 16)
        assert padded.truth.masks.shape[1:] == padded.semantic.shape == (16, 16)
        assert torch.equal(padded.image[:, :height, :width], plain.image)
        assert torch.equal(padded.semantic[:height, :width], plain.semantic)
        assert torch.equal(padded.truth.boxes, plain.truth.boxes)
        assert padded.scale == plain.scale
        assert padded.image[:, height:].sum() == padded.image[:, :, width:].sum() == 0
        assert (padded.semantic[height:] == -1).all()
        assert padded.truth.masks.sum() == plain.truth.masks.sum()


def test_padding_what_has_the_size_is_nothing():
    sample = make()
    assert pad(sample, 20, 30) is sample
    assert len(pad(Sample(torch.rand(3, 4, 5), 1), 8, 8).truth) == 0


def test_random_resize_draws_the_shorter_side():
    change = RandomResize((10, 20, 40), longest=45)
    sizes = {
        tuple(change(make(), np.random.default_rng(seed)).image.shape[1:]) for seed in range(30)
    }
    assert sizes == {(10, 15), (20, 30), (30, 45)}  # 40 x 60 would be too long


@pytest.mark.parametrize(
    "change",
    [RandomFlip(0.5), ScaleJitter(0.5, 2, 16), RandomResize((8, 12, 16), 30), ColorJitter()],
)
def test_the_generator_gives_all_randomness(change):
    torch.manual_seed(0)
    first = [change(make(), np.random.default_rng(seed)).image for seed in range(8)]
    torch.manual_seed(1)
    second = [change(make(), np.random.default_rng(seed)).image for seed in range(8)]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert any(not torch.equal(image, first[0]) for image in first[1:])


def test_a_flip_is_certain_or_never():
    assert torch.equal(RandomFlip(0.0)(make(), RNG).image, make().image)
    assert torch.equal(RandomFlip(1.0)(make(), RNG).image, make().image.flip(2))


def test_colours_follow_torchvision():
    sample = make()

    class Fixed:
        def uniform(self, low, high):
            return low + 0.75 * (high - low)

    image = reference.adjust_brightness(sample.image, 1.2)
    image = reference.adjust_contrast(image, 1.1)
    image = reference.adjust_saturation(image, 1.3)
    found = ColorJitter(0.4, 0.2, 0.6)(sample, Fixed()).image
    assert torch.allclose(found, image, atol=2e-3)  # torchvision rounds the luma's weights


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ResizeTo, {"height": 0, "width": 3}),
        (Resize, {"short": 9, "longest": 8}),
        (RandomResize, {"shorts": (), "longest": 8}),
        (RandomResize, {"shorts": (4, 9), "longest": 8}),
        (ScaleJitter, {"low": 0, "high": 1, "size": 8}),
        (RandomFlip, {"p": 1.5}),
        (ColorJitter, {"contrast": 2.0}),
    ],
)
def test_wrong_options(kind, options):
    with pytest.raises(InputError, match="must be"):
        kind(**options)
