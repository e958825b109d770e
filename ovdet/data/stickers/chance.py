"""Chance: the draws that every part of the world makes."""

import math
from collections.abc import Sequence
from typing import TypeVar

from numpy.random import Generator

T = TypeVar("T")


def pick(rng: Generator, options: Sequence[T]) -> T:
    """Draw one of the options, each as likely."""
    return options[int(rng.integers(len(options)))]


def count_between(rng: Generator, low: int, high: int) -> int:
    """Draw a whole number from ``low`` to ``high``, both included."""
    return int(rng.integers(low, high + 1))


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """Draw a size so that each doubling is as likely."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))
