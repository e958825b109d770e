import pytest
import torch

from ovdet.data import Mosaic
from ovdet.data.mosaic import compose
from ovdet.data.samplers import Draw
from ovdet.structures import InputError, Regions, Sample, Vocabulary


def sample(index, height=8, width=16, **facts):
    """A picture of one grey value with one box over its left half."""
    truth = Regions(
        torch.tensor([[0.0, 0, width / 2, height]]),
        torch.zeros(1, dtype=torch.int64),
        labels=torch.tensor([index]),
        masks=torch.ones(1, height, width, dtype=torch.bool),
    )
    image = torch.full((3, height, width), (index + 1) / 10)
    return Sample(image, index + 1, f"{index}.png", (height, width), truth=truth, **facts)


class Pictures(torch.utils.data.Dataset):
    vocabulary = Vocabulary.of(list("abcdef"))

    def __len__(self):
        return 6

    def __getitem__(self, key):
        return sample(Draw.of(key).index)

    def image_counts(self):
        return [1] * 6


def test_four_pictures_by_hand():
    whole = compose([sample(i) for i in range(4)], 32)
    assert whole.image.shape == (3, 32, 32)
    # 16 x 8 px fill a cell of 16 px in width; below them the cell is black.
    assert whole.image[0, 3, 3] == pytest.approx(0.1)
    assert whole.image[0, 3, 20] == pytest.approx(0.2)
    assert whole.image[0, 20, 3] == pytest.approx(0.3)
    assert whole.image[0, 20, 20] == pytest.approx(0.4)
    assert whole.image[0, 10, 3] == 0
    assert whole.truth.boxes.tolist() == [
        [0, 0, 8, 8],
        [16, 0, 24, 8],
        [0, 16, 8, 24],
        [16, 16, 24, 24],
    ]
    assert whole.truth.labels.tolist() == [0, 1, 2, 3]
    assert whole.truth.owner.tolist() == [0] * 4
    assert whole.truth.masks is None
    assert whole.original_size == (32, 32)


def test_one_picture_is_scaled_alone():
    whole = compose([sample(2, 8, 4)], 16)
    assert whole.truth.boxes.tolist() == [[0, 0, 4, 16]]
    assert whole.image[0, 15, 7] == pytest.approx(0.3)
    assert whole.image[0, 0, 8] == 0
    assert whole.image_id == 3


def test_what_is_known_of_all_is_known_of_the_whole():
    facts = [
        {"positive": (0,), "negative": (3, 4), "not_exhaustive": (5,)},
        {"positive": (1,), "negative": (4,), "boxed": False},
        {"negative": (4, 5)},
        {"negative": (4,), "not_exhaustive": (2,)},
    ]
    whole = compose([sample(i, **f) for i, f in enumerate(facts)], 32)
    assert (whole.positive, whole.negative, whole.not_exhaustive) == ((0, 1), (4,), (2, 5))
    assert not whole.boxed


def test_without_objects():
    empty = sample(0)
    empty.truth = Regions.empty()
    assert len(compose([empty] * 4, 16).truth) == 0


def test_a_pass_shows_every_picture_at_all_sizes():
    data = Mosaic(Pictures(), side=48)
    counts = {1: 0, 4: 0, 9: 0}
    for count in range(300):
        draw = Draw(count % 6, count, 7)
        shown = data[draw]
        assert shown.image_id == draw.index + 1
        assert shown.image.shape == (3, 48, 48)
        counts[len(shown.truth)] += 1
    assert counts[1] == pytest.approx(120, abs=30)
    assert counts[4] == pytest.approx(90, abs=30)


def test_a_draw_is_always_the_same():
    data = Mosaic(Pictures(), side=48)
    for count in range(8):
        one, other = (data[Draw(3, count, 5)] for _ in range(2))
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.truth.labels, other.truth.labels)
    assert any(
        not torch.equal(data[Draw(3, 0, 5)].image, data[Draw(3, c, 5)].image) for c in (1, 2)
    )


def test_it_passes_on_what_its_pictures_know():
    data = Mosaic(Pictures(), side=48)
    assert len(data) == 6
    assert data.metainfo["vocabulary"] == Pictures.vocabulary
    assert data.image_counts() == [1] * 6


def test_numbers_are_checked():
    with pytest.raises(InputError, match="multiple of each size, got 32 px and 3"):
        Mosaic(Pictures(), side=32)
    with pytest.raises(InputError, match="one share a size"):
        Mosaic(Pictures(), side=48, shares=(1.0,))
