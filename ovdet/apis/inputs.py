"""What a user hands over, as a model takes it: pictures, class names, a device."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ovdet.apis.images import Pixels, Source, read_image
from ovdet.data.images import to_float
from ovdet.data.splits import read_vocabulary
from ovdet.structures import InputError, Sample, Vocabulary
from ovdet.structures.prompts import Prompt, Prompts

Classes = Sequence[str] | Sequence[str | Prompt] | Vocabulary | Prompts
Sources = list[Source] | tuple[Source, ...]

_AT_ONCE = 200_000  # px that pass a model together on the CPU


@dataclass(frozen=True)
class Picture:
    """A picture as it was given.

    Attributes:
        pixels: RGB, uint8, [H, W, 3], upright.
        file_name: Where it was read from; empty when it came from memory.
    """

    pixels: Pixels
    file_name: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def to_sample(self) -> Sample:
        """Return the sample of the picture, at its own size."""
        return Sample(to_float(self.pixels), 0, self.file_name, self.size)


Batch = list[tuple[Picture, Sample]]


def passes(batch: Batch, device: torch.device) -> Iterator[Batch]:
    """Yield the parts of a batch that pass a model together, in order, none empty.

    A GPU takes the whole. A CPU is busy with one picture already, and feature maps beyond 32 MB
    cost it more: they come fresh from the system each time, page by page.
    """
    if device.type != "cpu":
        yield batch
        return
    part: Batch = []
    size = 0
    for picture, sample in batch:
        pixels = sample.image.shape[1] * sample.image.shape[2]
        if part and size + pixels > _AT_ONCE:
            yield part
            part, size = [], 0
        part.append((picture, sample))
        size += pixels
    yield part


def as_it_is(sample: Sample, rng: np.random.Generator) -> Sample:  # noqa: ARG001 - a Transform
    """Return the sample."""
    return sample


def load_picture(source: Source, place: int | None = None) -> Picture:
    """Read a picture; see ``ovdet.apis.images.read_image``.

    Args:
        source: The picture.
        place: Its place in a list, by which messages call it unless it has a path.

    Raises:
        InputError: If it cannot be read.
    """
    is_file = isinstance(source, str | Path)
    name = "" if is_file or place is None else f"image {place}"
    return Picture(read_image(source, name), str(source) if is_file else "")


def as_prompts(classes: Classes) -> Prompts | None:
    """Return classes as prompts; None where they are names alone.

    Raises:
        InputError: If names and prompts do not go together, as ``Prompts`` says.
    """
    if isinstance(classes, Prompt):
        return Prompts((classes,))
    if isinstance(classes, Prompts) or not isinstance(classes, list | tuple):
        return classes if isinstance(classes, Prompts) else None
    mixed = any(isinstance(one, Prompt) for one in classes)
    return Prompts.of(classes) if mixed else None


def as_vocabulary(classes: Classes | Iterable[str]) -> Vocabulary:
    """Return classes as a vocabulary; ``"@lvis-v1"`` is the published one of that name.

    Raises:
        InputError: If they are any other bare string or prompts, no vocabulary has that name, a
            name is blank or stands twice, or there is none.
    """
    if isinstance(classes, Vocabulary):
        return classes
    if isinstance(classes, str) and classes.startswith("@"):
        return read_vocabulary(classes)
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise InputError(f"classes must be a list of names, got {classes!r}")
    names: tuple[Any, ...] = tuple(classes)
    try:
        return _named(names)
    except TypeError:  # something among them cannot even be hashed; the check says which
        return Vocabulary.of(names)


@lru_cache(maxsize=8)
def _named(names: tuple[str, ...]) -> Vocabulary:
    """Return the vocabulary of names; checking ten thousand of them again would take a while."""
    return Vocabulary.of(names)


def pick_device(device: str) -> torch.device:
    """Return the device of a name; ``auto`` is the first GPU, or the CPU where there is none.

    Raises:
        InputError: If torch knows no such device or it is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {device!r} cannot be used here: {reason}") from error
    return chosen
