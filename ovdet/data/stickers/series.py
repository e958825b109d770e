"""Series: the numbered pictures of one split, each with randomness of its own."""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from tqdm import tqdm

SPLITS = {"train": 0, "val": 1}
"""Part of each picture's seed, so that the two share no scene."""


def numbered(track: str, split: str, seed: int, count: int) -> Iterator[tuple[str, Generator]]:
    """Yield file name and source of choices of each picture, with a progress bar.

    A picture depends on seed, split and its number, not on how many there are.

    Args:
        track: The track's name, for the bar.
        split: ``train`` or ``val``.
        seed: Another seed is another world.
        count: Number of pictures.
    """
    for index in tqdm(range(count), desc=f"{track} {split}", disable=None):
        yield f"{index:06d}.png", np.random.default_rng((seed, SPLITS[split], index))
