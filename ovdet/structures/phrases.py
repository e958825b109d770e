"""Phrases of sentences as a vocabulary of the moment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ovdet.structures.errors import InputError
from ovdet.structures.vocabulary import Vocabulary


@dataclass(frozen=True)
class PhraseVocabulary(Vocabulary):
    """Words in the sentences they are said in, and which image is asked for which.

    A class is a phrase at its place: the same words in another sentence are another class, because
    "the car" may mean another one there. Its name is the phrase in brackets within its sentence, or
    the bare phrase where nothing stands around it.

    Attributes:
        wordings: For each class what stands before the phrase, the phrase, and what stands behind.
        asked: For each image, for each class whether the image is asked for it; empty where every
            image is asked for all.

    Raises:
        InputError: As for :class:`Vocabulary`, or if a list does not have C entries.
    """

    wordings: tuple[tuple[str, str, str], ...] = ()
    asked: tuple[tuple[bool, ...], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.wordings) != len(self.names):
            raise InputError(
                f"wordings must have one entry a class, got {len(self.wordings)} for "
                f"{len(self.names)} classes"
            )
        for image, row in enumerate(self.asked):
            if len(row) != len(self.names):
                raise InputError(
                    f"asked must have one entry a class, got {len(row)} for {len(self.names)} "
                    f"classes in image {image}"
                )

    @classmethod
    def of_wordings(
        cls, wordings: Sequence[tuple[str, str, str]], asked: Sequence[Sequence[bool]] = ()
    ) -> "PhraseVocabulary":
        """Return the vocabulary of C distinct phrases, each with what stands around it."""
        names = tuple(
            f"{before}[{words}]{behind}" if before or behind else words
            for before, words, behind in wordings
        )
        return cls(names, wordings=tuple(wordings), asked=tuple(map(tuple, asked)))

    def pick(self, rows: Sequence[int]) -> "PhraseVocabulary":
        """Return the classes at ``rows``, in that order, with all that is known about them."""
        facts = self._picked(rows) | {"wordings": tuple(self.wordings[row] for row in rows)}
        asked = tuple(tuple(image[row] for row in rows) for image in self.asked)
        return replace(self, **facts, asked=asked)
