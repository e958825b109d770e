"""Prompts: what is looked for, in words and pictures, and the label it comes back under."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovdet.structures.errors import InputError
from ovdet.structures.vocabulary import Vocabulary

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Shown:
    """Boxes of one picture that show what is meant.

    Attributes:
        picture: A path, or whatever else ``ovdet.apis.images.read_image`` reads.
        boxes: xyxy, px of the picture, x1 < x2 and y1 < y2; none stands for the whole picture.

    Raises:
        InputError: If a box is not four numbers in that order.
    """

    picture: Any
    boxes: tuple[Box, ...] = ()

    def __post_init__(self) -> None:
        for i, box in enumerate(self.boxes):
            if len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
                raise InputError(
                    f"boxes[{i}] must be xyxy with x1 < x2 and y1 < y2, got {list(box)}"
                )


@dataclass(frozen=True, eq=False)
class Prompt:
    """One label and all that stands for it.

    Attributes:
        label: What comes back, exactly as it is given.
        synonyms: Other names of it. Of the name, the synonyms and the descriptions the best counts.
        descriptions: What it looks like, in a few words each.
        negatives: What it is not: where a negative scores higher, its boxes are not this label's.
        shown: Pictures of it. All their boxes are averaged.
        image_share: The pictures' part of each vector where there are words too, in [0, 1].
        named: Whether the label itself is one of the words, or only what comes back.

    Raises:
        InputError: If a text is blank, nothing stands for the label, a word stands both for it and
            against it, or the share lies outside [0, 1].
    """

    label: str
    synonyms: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    shown: tuple[Shown, ...] = ()
    image_share: float = 0.5
    named: bool = True

    def __post_init__(self) -> None:
        for key in ("synonyms", "descriptions", "negatives"):
            if isinstance(getattr(self, key), str):
                raise InputError(f"{key} must be a list of texts, got {getattr(self, key)!r}")
            for i, text in enumerate(getattr(self, key)):
                _check_text(text, f"{key}[{i}]")
        _check_text(self.label, "label")
        if not 0 <= self.image_share <= 1:
            raise InputError(f"image_share must lie in [0, 1], got {self.image_share}")
        if not self.words and not self.shown:
            raise InputError(f"{self.label!r} has no name, synonym, description or picture to ask")
        if both := [word for word in self.negatives if word in self.words]:
            raise InputError(f"{both[0]!r} stands both for {self.label!r} and against it")

    @property
    def words(self) -> tuple[str, ...]:
        """The texts that stand for the label, each once."""
        own = (self.label,) if self.named else ()
        return tuple(dict.fromkeys((*own, *self.synonyms, *self.descriptions)))


@dataclass(frozen=True)
class Rows:
    """Prompts as N rows, each of which a model scores by itself.

    Attributes:
        names: N distinct names: the words, and one for pictures that have none.
        owner: [N], the prompt whose label a row stands for, -1 for one that is a negative alone.
        worded: [N], whether a row's name is a text; else it is pictures alone.
        against: Pairs (row, prompt): the row's boxes are not the prompt's where they score higher.
    """

    names: tuple[str, ...]
    owner: tuple[int, ...]
    worded: tuple[bool, ...]
    against: tuple[tuple[int, int], ...]

    @property
    def groups(self) -> tuple[int, ...]:
        """For each row a number that the rows of one label have in common; see ``Vocabulary``.

        What speaks against one label alone is of its group, so that it takes nothing from the
        scores of the boxes that it leaves there.
        """
        alone = max(self.owner) + 1
        meant: dict[int, list[int]] = {}
        for row, label in self.against:
            meant.setdefault(row, []).append(label)
        return tuple(
            own if own >= 0 else meant[row][0] if len(meant[row]) == 1 else alone + row
            for row, own in enumerate(self.owner)
        )


@dataclass(frozen=True, eq=False)
class Prompts:
    """What a model is asked for at a time: one or more prompts, each with a label of its own.

    Attributes:
        prompts: C prompts.
        scores: A vocabulary whose thresholds and temperature hold for these labels, or None.

    Raises:
        InputError: If there is none, a label stands twice, a word stands for two labels, or
            ``scores`` lacks a label.
    """

    prompts: tuple[Prompt, ...]
    scores: Vocabulary | None = None

    def __post_init__(self) -> None:
        labels = Vocabulary.of(tuple(prompt.label for prompt in self.prompts)).names
        uses = Counter(word for prompt in self.prompts for word in prompt.words)
        word, count = uses.most_common(1)[0] if uses else ("", 0)
        if count > 1:
            owners = [prompt.label for prompt in self.prompts if word in prompt.words]
            raise InputError(f"{word!r} must stand for one label, stands for {owners}")
        if self.scores is not None and (lost := set(labels) - set(self.scores.names)):
            raise InputError(f"scores must know each label, they lack {sorted(lost)[:5]}")

    def __len__(self) -> int:
        return len(self.prompts)

    @classmethod
    def of(cls, prompts: "Sequence[str | Prompt]") -> "Prompts":
        """Return prompts of names and prompts.

        Raises:
            InputError: If one is neither, or as for the class.
        """
        if wrong := [one for one in prompts if not isinstance(one, str | Prompt)]:
            raise InputError(f"classes must be names or prompts, got {wrong[0]!r}")
        return cls(tuple(Prompt(one) if isinstance(one, str) else one for one in prompts))

    @classmethod
    def load(cls, path: str | Path) -> "Prompts":
        """Read a prompt file, YAML; its keys are those of ``docs/prompts.md``.

        Raises:
            InputError: If the file is no prompt file; the message names the file and the key.
        """
        from ovdet.structures.prompt_files import read_prompts

        return read_prompts(Path(path))

    @property
    def vocabulary(self) -> Vocabulary:
        """The labels, with what is known of their scores."""
        labels = [prompt.label for prompt in self.prompts]
        if self.scores is None:
            return Vocabulary.of(labels)
        rows = [self.scores.names.index(label) for label in labels]
        return self.scores.pick(rows)

    def rows(self) -> Rows:
        """Return what is scored by itself: words, pictures, and words that speak against."""
        names: dict[str, int] = {}
        pictures: dict[str, int] = {}
        for index, prompt in enumerate(self.prompts):
            names |= dict.fromkeys(prompt.words, index)
            if not prompt.words:
                pictures[f"pictures of {prompt.label}"] = index
        for word in (word for prompt in self.prompts for word in prompt.negatives):
            names.setdefault(word, -1)
        place = {word: row for row, word in enumerate(names)}
        pairs = [
            (place[n], i) for i, p in enumerate(self.prompts) for n in dict.fromkeys(p.negatives)
        ]
        return Rows(
            (*names, *pictures),
            (*names.values(), *pictures.values()),
            (True,) * len(names) + (False,) * len(pictures),
            tuple(pairs),
        )


def _check_text(text: Any, key: str) -> None:
    if not isinstance(text, str):
        raise InputError(f"{key} must be text, got {text!r}")
    if not text.strip():
        raise InputError(f"{key} must not be blank, got {text!r}")
