"""What a detector of mmdet is asked for: its own classes, or any, by text in its class layers.

The third kind reads names beside the picture (``grounding.py``).
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ovdet.adapters.mmdet.opening import OpenHeads
from ovdet.structures import InputError, Vocabulary


@dataclass(frozen=True)
class Asked:
    """What one pass through a detector is about.

    Attributes:
        place: While it learns, for each of C classes the model's own, -1 for none. Else for each of
            the model's own which of C it is, -1 for none.
        text: What the pictures' records say of it; None where the heads know it already.
    """

    place: Tensor
    text: Any = None


class Naming(Protocol):
    """The way from a vocabulary to a detector's own classes."""

    def learn(self, vocabulary: Vocabulary) -> Asked:
        """Set the classes to learn."""

    def ask(self, vocabulary: Vocabulary) -> Iterator[Asked]:
        """Set the classes to look for, pass by pass."""


class ClosedNames:
    """Classes a model was trained for; any of them can be asked for by name.

    Args:
        own: All of them.
    """

    def __init__(self, own: Vocabulary) -> None:
        self.own = own

    def learn(self, vocabulary: Vocabulary) -> Asked:
        """Return where each of C names stands among the model's own.

        Raises:
            InputError: If one does not.
        """
        return Asked(torch.tensor(self._columns(vocabulary)))

    def ask(self, vocabulary: Vocabulary) -> Iterator[Asked]:
        """Yield one pass.

        Raises:
            InputError: If a name is not one of the model's own.
        """
        place = torch.full((len(self.own),), -1)
        place[self._columns(vocabulary)] = torch.arange(len(vocabulary))
        yield Asked(place)

    def _columns(self, vocabulary: Vocabulary) -> list[int]:
        rows = {name: row for row, name in enumerate(self.own.names)}
        for name in vocabulary.names:
            if name not in rows:
                close = difflib.get_close_matches(name, self.own.names, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise InputError(
                    f"the model knows its own {len(self.own)} classes alone, not {name!r}{hint}"
                )
        return [rows[name] for name in vocabulary.names]


class OpenNames:
    """Any names: their embeddings stand in the class layers.

    Args:
        heads: Of the detector.
        text: Vocabulary to Text.
    """

    def __init__(self, heads: OpenHeads, text: Any) -> None:
        self._heads = heads
        self._text = text

    def learn(self, vocabulary: Vocabulary) -> Asked:
        """Set the classes that are not novel."""
        known, place = known_classes(vocabulary)
        self._heads.ask(self._text(vocabulary.pick(known)).classes)
        return Asked(place)

    def ask(self, vocabulary: Vocabulary) -> Iterator[Asked]:
        """Set all of them and yield one pass."""
        self._heads.ask(self._text(vocabulary).classes)
        yield Asked(torch.arange(len(vocabulary)))


def known_classes(vocabulary: Vocabulary) -> tuple[list[int], Tensor]:
    """Return the rows that are not novel, and for each of C classes its place among them or -1."""
    known = (~torch.tensor(vocabulary.novel_mask)).nonzero()[:, 0]
    place = torch.full((len(vocabulary),), -1)
    place[known] = torch.arange(len(known))
    return known.tolist(), place
