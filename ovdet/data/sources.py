"""Several data sets learnt from together, each with its own batch size and share of the steps.

Boxes of one set, image labels of another, captions of a third: Detic gives 1 of 5 steps to boxes,
and four times the batch to labels, of smaller images (Zhou et al., ECCV 2022, Sec. 4 and the
released configs).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch.utils.data import Dataset, Sampler

from ovdet.data.samplers import Draw, Order
from ovdet.registry import DATASETS
from ovdet.structures import InputError, Sample, Vocabulary


@DATASETS.register_module()
@dataclass(frozen=True)
class Source:
    """One of the data sets.

    Attributes:
        name: What ``Sample.source`` says of its samples.
        dataset: Gives a sample for a draw.
        batch_size: Samples of it a process and step; None takes the run's.
        share: Of every sum-of-shares steps, so many are this source's.
        boxed: Whether its objects are boxed; ``Sample.boxed`` says so of its samples.

    Raises:
        InputError: If the name is blank or a number below 1.
    """

    name: str
    dataset: Any
    batch_size: int | None = None
    share: int = 1
    boxed: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"a source must have a name, got {self.name!r}")
        size = 1 if self.batch_size is None else self.batch_size
        for fact, value in (("batch_size", size), ("share", self.share)):
            if type(value) is not int or value < 1:
                raise InputError(
                    f"{fact} of source '{self.name}' must be a whole number of at least 1, "
                    f"got {value!r}"
                )


@dataclass(frozen=True)
class SourceDraw:
    """One sample asked for of one of the sources.

    Attributes:
        source: Which of them.
        draw: Which of its samples.
    """

    source: int
    draw: Draw


@DATASETS.register_module()
class MultiSource(Dataset[Sample]):
    """Several sources as one training set; ``Sample.source`` tells them apart.

    Args:
        sources: The data sets. Those with classes must have the same ones, in the same order.
        together: Every step learns from a batch of each source. Else a step is one source's, by
            their shares, in an order that is shuffled anew in every round of sum-of-shares steps.

    Raises:
        InputError: If there is no source, two have one name, or their classes differ.
    """

    def __init__(self, sources: Sequence[Source], *, together: bool = False) -> None:
        self.sources = tuple(sources)
        self.together = together
        names = [source.name for source in self.sources]
        if not names or len(set(names)) < len(names):
            raise InputError(f"sources must be one or more, of different names, got {names}")
        self.vocabulary = _common_classes(self.sources)

    def __getitem__(self, key: SourceDraw) -> Sample:
        """Return a sample of one of the sources."""
        source = self.sources[key.source]
        sample: Sample = source.dataset[key.draw]
        return replace(sample, source=source.name, boxed=sample.boxed and source.boxed)


class SourceSampler(Sampler[list[SourceDraw]]):
    """Endless batches of several sources.

    The batch of step n depends on the seed and n alone, so continuing a run means setting
    :attr:`position`, the number of steps done. All processes are at the same source in the same
    step, and of its draws each takes its share.

    Args:
        dataset: The sources.
        seed: Fixes all orders, >= 0.
        batch_size: Of the sources that give none.
        rank: This process.
        world: How many processes draw together.

    Raises:
        InputError: If a source is empty.
    """

    def __init__(
        self,
        dataset: MultiSource,
        seed: int,
        *,
        batch_size: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.together = dataset.together
        self.sizes = [source.batch_size or batch_size for source in dataset.sources]
        self.shares = [source.share for source in dataset.sources]
        self.seed = seed
        self.rank = rank
        self.world = world
        self.position = 0
        self._orders = [
            Order(_size(source), _seed_of(seed, i)) for i, source in enumerate(dataset.sources)
        ]

    def __iter__(self) -> Iterator[list[SourceDraw]]:
        step = self.position
        while True:
            yield [draw for source, turn in self.turns(step) for draw in self._batch(source, turn)]
            step += 1

    def turns(self, step: int) -> list[tuple[int, int]]:
        """Return which sources a step learns from, and how often each had its turn before."""
        if self.together:
            return [(source, step) for source in range(len(self.sizes))]
        number, place = divmod(step, sum(self.shares))
        rng = np.random.default_rng((self.seed, number))
        round_ = rng.permutation(np.repeat(np.arange(len(self.shares)), self.shares)).tolist()
        source = round_[place]
        return [(source, number * self.shares[source] + round_[:place].count(source))]

    def _batch(self, source: int, turn: int) -> list[SourceDraw]:
        first = turn * self.sizes[source] * self.world + self.rank
        counts = range(first, first + self.sizes[source] * self.world, self.world)
        return [SourceDraw(source, self._orders[source].draw(count)) for count in counts]


def _size(source: Source) -> int | None:
    return None if getattr(source.dataset, "endless", False) else len(source.dataset)


def _seed_of(seed: int, source: int) -> int:
    """Return a seed of the source's own, so that no two draw the same random numbers."""
    return int(np.random.SeedSequence((seed, source)).generate_state(1, np.uint64)[0])


def _common_classes(sources: Sequence[Source]) -> Vocabulary | None:
    found = [(s.name, v) for s in sources if (v := getattr(s.dataset, "vocabulary", None))]
    for name, vocabulary in found[1:]:
        first, common = found[0]
        if (vocabulary.names, vocabulary.novel_mask) != (common.names, common.novel_mask):
            raise InputError(
                f"sources '{first}' and '{name}' must have the same classes, in the same order "
                "and with the same novel ones: give both one vocabulary"
            )
    return found[0][1] if found else None
