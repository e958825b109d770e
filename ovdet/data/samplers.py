"""Which sample comes next, and with which randomness: both follow from one running number."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler

from ovdet.structures import InputError


@dataclass(frozen=True)
class Draw:
    """One sample asked for in training.

    Attributes:
        index: Which sample of the data set.
        count: How many samples all processes together drew before this one.
        seed: The run's seed.
    """

    index: int
    count: int
    seed: int

    @classmethod
    def of(cls, key: "int | Draw") -> "Draw":
        """Return the draw itself, or one for a plain index that always has the same randomness."""
        return key if isinstance(key, Draw) else cls(key, key, 0)

    def rng(self) -> np.random.Generator:
        """Return the randomness of this draw, the same in every process and after a resume."""
        return np.random.default_rng((self.seed, self.count))


class Order:
    """The order in which a data set is gone through, each pass in a new one.

    Args:
        size: Samples in the data set; None for an endless one, whose index is the draw's number.
        seed: Fixes the order, >= 0.

    Raises:
        InputError: If there is nothing to draw from.
    """

    def __init__(self, size: int | None, seed: int) -> None:
        if size == 0:
            raise InputError("a training data set must hold at least one sample, got none")
        self.size = size
        self.seed = seed
        self._pass, self._indices = -1, np.zeros(0, np.int64)

    def draw(self, count: int) -> Draw:
        """Return draw number ``count``, which depends on it and the seed alone."""
        if self.size is None:
            return Draw(count, count, self.seed)
        number, place = divmod(count, self.size)
        if number != self._pass:
            self._pass = number
            self._indices = np.random.default_rng((self.seed, number)).permutation(self.size)
        return Draw(int(self._indices[place]), count, self.seed)


class TrainSampler(Sampler[Draw]):
    """Endless shuffled draws, each pass over the data in a new order.

    Draw number n depends on the seed and n alone, so continuing a run means setting
    :attr:`position`; nothing is replayed. Of every ``world`` draws each process takes one.

    Args:
        size: Samples in the data set; None for an endless one, whose index is the draw's number.
        seed: Fixes the order, >= 0.
        rank: This process.
        world: How many processes draw together.

    Raises:
        InputError: If there is nothing to draw from.
    """

    def __init__(self, size: int | None, seed: int, *, rank: int = 0, world: int = 1) -> None:
        self.order = Order(size, seed)
        self.rank = rank
        self.world = world
        self.position = 0

    def __iter__(self) -> Iterator[Draw]:
        count = self.position + self.rank
        while True:
            yield self.order.draw(count)
            count += self.world
