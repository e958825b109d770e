from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ovdet.data import MultiSource, Source, SourceSampler, collate
from ovdet.data.samplers import Draw
from ovdet.data.sources import SourceDraw
from ovdet.structures import InputError, Sample, Vocabulary


class Numbers:
    """Samples that say their index and a random number of their draw."""

    def __init__(self, size, vocabulary=None):
        self.size = size
        self.vocabulary = vocabulary

    @property
    def endless(self):
        return self.size is None

    def __len__(self):
        return self.size

    def __getitem__(self, draw):
        return Sample(torch.tensor(draw.rng().random()), draw.index)


def boxes_and_labels(**options):
    sources = [
        Source("boxes", Numbers(5), batch_size=2),
        Source("labels", Numbers(7), batch_size=3, share=4),
    ]
    return MultiSource(sources, **options)


def batches(dataset, count, **options):
    sampler = SourceSampler(dataset, 0, **options)
    return [[dataset[draw] for draw in batch] for batch in islice(sampler, count)]


def test_a_step_is_one_sources_by_its_share():
    steps = [[sample.source for sample in batch] for batch in batches(boxes_and_labels(), 50)]
    assert all(step in (["boxes"] * 2, ["labels"] * 3) for step in steps)
    kinds = [step[0] for step in steps]
    rounds = [Counter(kinds[i : i + 5]) for i in range(0, 50, 5)]
    assert all(one == {"boxes": 1, "labels": 4} for one in rounds)
    assert len({kinds[i : i + 5].index("boxes") for i in range(0, 50, 5)}) > 1


def test_each_pass_over_a_source_holds_every_sample_once():
    seen = {"boxes": [], "labels": []}
    for batch in batches(boxes_and_labels(), 100):
        for sample in batch:
            seen[sample.source].append(sample.image_id)
    for name, size in (("boxes", 5), ("labels", 7)):
        passes = [seen[name][i : i + size] for i in range(0, len(seen[name]) - size, size)]
        assert len(passes) > 5
        assert all(sorted(one) == list(range(size)) for one in passes)


def test_together_every_step_has_a_batch_of_each():
    for batch in batches(boxes_and_labels(together=True), 10):
        assert [sample.source for sample in batch] == ["boxes"] * 2 + ["labels"] * 3


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("position", [0, 1, 4, 5, 13, 10**9])
def test_a_position_continues_where_it_stands(position, together):
    dataset = boxes_and_labels(together=together)
    earlier = SourceSampler(dataset, 7)
    earlier.position = max(position - 3, 0)
    whole = list(islice(earlier, 12))
    sampler = SourceSampler(dataset, 7)
    sampler.position = position
    skipped = position - earlier.position
    assert list(islice(sampler, 12 - skipped)) == whole[skipped:]


@pytest.mark.parametrize("together", [False, True])
def test_processes_share_the_draws_and_the_source(together):
    dataset = boxes_and_labels(together=together)
    samplers = [SourceSampler(dataset, 1, rank=rank, world=3) for rank in range(3)]
    steps = list(zip(*(islice(sampler, 20) for sampler in samplers), strict=True))
    for step in steps:
        assert len({tuple(one.source for one in batch) for batch in step}) == 1
    for source, size in ((0, 2), (1, 3)):
        drawn = [one for step in steps for batch in step for one in batch if one.source == source]
        assert sorted(one.draw.count for one in drawn) == list(range(len(drawn)))
        assert len(drawn) % (3 * size) == 0


def test_sources_draw_numbers_of_their_own():
    dataset = MultiSource([Source("a", Numbers(5)), Source("b", Numbers(5))], together=True)
    pairs = [[float(sample.image) for sample in batch] for batch in batches(dataset, 5)]
    assert all(first != second for first, second in pairs)


def test_a_source_takes_the_batch_size_of_the_run():
    dataset = MultiSource([Source("a", Numbers(5)), Source("b", Numbers(5), batch_size=1)])
    sizes = {batch[0].source: len(batch) for batch in batches(dataset, 10, batch_size=4)}
    assert sizes == {"a": 4, "b": 1}


def test_an_endless_source_is_asked_for_the_draw_itself():
    dataset = MultiSource([Source("a", Numbers(None), batch_size=2), Source("b", Numbers(3))])
    ids = [s.image_id for batch in batches(dataset, 20) for s in batch if s.source == "a"]
    assert ids == list(range(20))


def test_workers_change_nothing():
    def ten(workers):
        dataset = boxes_and_labels()
        sampler = SourceSampler(dataset, 3)
        loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate, num_workers=workers)
        found = islice(iter(loader), 10)
        return [(s.source, s.image_id, float(s.image)) for b in found for s in b["samples"]]

    assert ten(0) == ten(1)


def test_the_classes_are_common_ones():
    pets, others = Vocabulary(("cat", "dog")), Vocabulary(("dog", "cat"))
    known = [Source("a", Numbers(3)), Source("b", Numbers(3, pets)), Source("c", Numbers(3, pets))]
    assert MultiSource(known).vocabulary == pets
    assert MultiSource(known[:1]).vocabulary is None
    with pytest.raises(InputError, match="sources 'b' and 'd' must have the same classes"):
        MultiSource([*known, Source("d", Numbers(3, others))])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiSource([]), r"sources must be one or more, .* got \[\]"),
        (lambda: MultiSource([Source("a", 1), Source("a", 2)]), "of different names"),
        (lambda: Source(" ", 1), "must have a name"),
        (lambda: Source("a", 1, batch_size=0), "batch_size of source 'a' must be .* got 0"),
        (lambda: Source("a", 1, share=1.5), "share of source 'a' must be .* got 1.5"),
        (lambda: SourceSampler(MultiSource([Source("a", Numbers(0))]), 0), "at least one sample"),
    ],
)
def test_wrong_sources(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_seed_gives_the_order():
    orders = [
        [d.draw.index for b in islice(SourceSampler(boxes_and_labels(), s), 30) for d in b]
        for s in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert np.max(orders[0]) == 6


def test_a_source_without_boxes_says_so_of_its_samples():
    class Two:
        def __len__(self):
            return 2

        def __getitem__(self, _):
            return Sample(torch.zeros(3, 2, 2), 1)

    dataset = MultiSource([Source("boxes", Two()), Source("labels", Two(), boxed=False)])
    draw = Draw(0, 0, 0)
    assert dataset[SourceDraw(0, draw)].boxed
    assert not dataset[SourceDraw(1, draw)].boxed
