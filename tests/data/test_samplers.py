from itertools import islice

import pytest

from ovdet.data import Draw, TrainSampler
from ovdet.structures import InputError


def test_each_pass_holds_every_sample_once_in_a_new_order():
    draws = list(islice(TrainSampler(5, 0), 15))
    passes = [[draw.index for draw in draws[i : i + 5]] for i in (0, 5, 10)]
    assert all(sorted(one) == [0, 1, 2, 3, 4] for one in passes)
    assert len({tuple(one) for one in passes}) > 1
    assert [draw.count for draw in draws] == list(range(15))


@pytest.mark.parametrize("position", [0, 3, 5, 12])
def test_a_position_continues_where_it_stands(position):
    whole = list(islice(TrainSampler(5, 7), 20))
    sampler = TrainSampler(5, 7)
    sampler.position = position
    assert list(islice(sampler, 20 - position)) == whole[position:]


def test_processes_share_the_draws():
    whole = list(islice(TrainSampler(5, 7), 12))
    for rank in range(3):
        assert list(islice(TrainSampler(5, 7, rank=rank, world=3), 4)) == whole[rank::3]


def test_an_endless_source_is_asked_for_the_draw_itself():
    sampler = TrainSampler(None, 0)
    sampler.position = 10**9
    assert next(iter(sampler)) == Draw(10**9, 10**9, 0)


def test_the_seed_gives_the_order():
    orders = [[d.index for d in islice(TrainSampler(50, seed), 50)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_randomness_follows_seed_and_count():
    values = [Draw(0, count, seed).rng().random() for count, seed in ((1, 2), (2, 1), (1, 2))]
    assert values[0] == values[2] != values[1]


def test_nothing_to_draw_from():
    with pytest.raises(InputError, match="at least one sample"):
        TrainSampler(0, 0)
