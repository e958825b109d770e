"""Kin: names that may be said of one and the same thing, and so must not be told apart.

A row of ``kin.json`` holds a general name with all that it fits ("bird": a duck is one), or names
that people mix up. Names that share a word are kin as well.
"""

import json
from collections.abc import Collection, Sequence
from functools import lru_cache
from importlib.resources import files

from numpy.random import Generator

from ovdet.data.stickers.chance import pick

_JOINTS = frozenset({"a", "and", "behind", "in", "its", "of", "on", "with"})


def _read_groups() -> tuple[frozenset[str], ...]:
    text = (files("ovdet.data.stickers") / "kin.json").read_text(encoding="utf-8")
    return tuple(frozenset(row.split(", ")) for row in json.loads(text))


_GROUPS = _read_groups()


@lru_cache(maxsize=2048)
def _marks(name: str) -> frozenset[str | int]:
    """Return a name's words and the numbers of its groups: kin have one of these in common."""
    words = set(name.replace("-", " ").split()) - _JOINTS
    return frozenset(words | {i for i, group in enumerate(_GROUPS) if name in group})


def are_kin(first: str, second: str) -> bool:
    """Tell whether two names share a word or may both fit one thing: a duck is a bird."""
    return not _marks(first).isdisjoint(_marks(second))


def draw_apart(rng: Generator, names: Sequence[str], others: Collection[str]) -> str:
    """Draw a name that is no kin of any of ``others``."""
    while True:  # ends soon: the largest group holds fewer than one name in ten
        name = pick(rng, names)
        if not any(are_kin(name, other) for other in others):
            return name
