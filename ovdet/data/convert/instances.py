"""COCO instances files cut into the files of a protocol, in one pass and little memory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ovdet.data.convert.output import Output, Stream
from ovdet.data.stickers.coco_json import encode_json
from ovdet.data.streams import Section, read_sections
from ovdet.structures import InputError

Record = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """One file to make.

    Attributes:
        path: Below the output folder.
        categories: The entries it lists.
        keep: Ids of the categories whose annotations stay.
        empty: Whether images without an annotation stay.
        images: Ids of the images that stay, None for all.
        notes: What to say of it, as published figures.
    """

    path: str
    categories: Sequence[Record]
    keep: frozenset[int]
    empty: bool = True
    images: frozenset[int] | None = None
    notes: str = ""


@dataclass(frozen=True)
class Original:
    """A published instances file.

    Attributes:
        path: Below the source folder.
        counts: What it holds: ``images``, ``annotations``, ``categories``.
        categories: Id to what its entry must say.
        image: Gives an image entry of the project from one of the file.
    """

    path: str
    counts: Mapping[str, int]
    categories: Mapping[int, Record]
    image: Callable[[Record], Record] = dict


def split_instances(
    source: Path, original: Original, targets: Sequence[Target], output: Output, *, partial: bool
) -> bool:
    """Read an instances file once and write every target.

    Annotations are copied as they stand in the file, so the same file gives the same bytes.

    Args:
        source: The folder the original lies in.
        original: The file and what was published of it.
        targets: What to write.
        output: Where to.
        partial: Accept other counts, and do without the file where it is missing.

    Returns:
        Whether the file was there.

    Raises:
        InputError: If the file is missing, damaged, holds other counts, or an entry is bad.
    """
    path = source / original.path
    if partial and not path.exists():
        return False
    with ExitStack() as stack:
        files = [_File(one, stack.enter_context(output.stream(one.path))) for one in targets]
        found = _read(path, original, files)
        counts = {
            "images": len(found.images),
            "annotations": found.annotations,
            "categories": len(found.categories),
        }
        check_counts(path, counts, original.counts, partial=partial)
        for file in files:
            file.finish(found)
    return True


def check_counts(
    place: Path | str, found: Mapping[str, int], published: Mapping[str, int], *, partial: bool
) -> None:
    """Check that what was read is what was published.

    Raises:
        InputError: If a count differs and ``partial`` is off.
    """
    if partial or all(found[kind] == number for kind, number in published.items()):
        return
    told = [
        ", ".join(f"{numbers[kind]:,} {kind}" for kind in published)
        for numbers in (published, found)
    ]
    raise InputError(
        f"{place}: must hold {told[0]} as published, got {told[1]}; "
        "--partial converts it all the same"
    )


@dataclass
class _Found:
    """What a file holds besides its annotations."""

    images: dict[int, Record] = field(default_factory=dict)
    categories: dict[int, Record] = field(default_factory=dict)
    rest: Record = field(default_factory=dict)
    annotations: int = 0
    annotated: set[int] = field(default_factory=set)


class _File:
    """One target while it is being written: annotations first, as the original is read."""

    def __init__(self, target: Target, stream: Stream) -> None:
        self.target = target
        self._stream = stream
        self._images: set[int] = set()
        self._count = 0
        stream.write(b'{"annotations":[')

    def wants(self, image_id: int, category: int) -> bool:
        chosen = self.target.images
        return category in self.target.keep and (chosen is None or image_id in chosen)

    def add(self, image_id: int, text: str) -> None:
        self._stream.write((",\n" if self._count else "\n").encode() + text.encode())
        self._count += 1
        self._images.add(image_id)

    def finish(self, found: _Found) -> None:
        kept = [image for image_id, image in found.images.items() if self._stays(image_id)]
        write = self._stream.write
        write(b'],\n"categories":' + _lines(self.target.categories))
        write(b',\n"images":' + _lines(kept))
        for key in sorted(found.rest):
            write(f',\n"{key}":'.encode() + encode_json(found.rest[key]).rstrip())
        write(b"}\n")
        self._stream.counts = {
            "images": len(kept),
            "with boxes": len(self._images),
            "boxes": self._count,
            "classes": len(self.target.categories),
        }
        self._stream.notes = self.target.notes

    def _stays(self, image_id: int) -> bool:
        chosen = self.target.images
        if chosen is not None and image_id not in chosen:
            return False
        return self.target.empty or image_id in self._images


def _lines(records: Iterable[Record]) -> bytes:
    """Return a JSON list, one record a line."""
    return b"[\n" + b",\n".join(encode_json(record).rstrip() for record in records) + b"]"


def _read(path: Path, original: Original, files: Sequence[_File]) -> _Found:
    found = _Found()
    for section in read_sections(path):
        if section.key == "annotations":
            _read_annotations(path, section, original, files, found)
        elif section.key == "images":
            _read_images(path, section, original, found)
        elif section.key == "categories":
            _read_categories(path, section, original, found)
        elif section.key in {"info", "licenses"}:
            values = [value for value, _ in section.entries]
            found.rest[section.key] = values if section.listed else values[0]
    if unknown := found.annotated - found.images.keys():
        raise InputError(f"{path}: annotations name image {min(unknown)}, which is not listed")
    return found


def _read_annotations(
    path: Path, section: Section, original: Original, files: Sequence[_File], found: _Found
) -> None:
    bar = tqdm(section.entries, desc=path.name, unit=" boxes", disable=None, leave=False, delay=2)
    for place, (entry, text) in enumerate(bar):
        image_id, category = _whole(entry, "image_id"), _whole(entry, "category_id")
        if image_id is None or category is None or category not in original.categories:
            rule = "a whole image_id and a known category_id"
            raise InputError(f"{path}: annotations[{place}] must have {rule}, got {text[:80]}")
        found.annotations += 1
        found.annotated.add(image_id)
        for file in files:
            if file.wants(image_id, category):
                file.add(image_id, text)


def _read_images(path: Path, section: Section, original: Original, found: _Found) -> None:
    for place, (entry, text) in enumerate(section.entries):
        image_id = _whole(entry, "id")
        if image_id is None or image_id in found.images:
            rule = "a whole id of its own"
            raise InputError(f"{path}: images[{place}] must have {rule}, got {text[:80]}")
        try:
            found.images[image_id] = original.image(entry)
        except InputError as error:
            raise InputError(f"{path}: images[{place}]: {error}") from error


def _read_categories(path: Path, section: Section, original: Original, found: _Found) -> None:
    for place, (entry, text) in enumerate(section.entries):
        number = _whole(entry, "id")
        wanted = original.categories.get(number) if number is not None else None
        if number is None or wanted is None:
            raise InputError(f"{path}: categories[{place}] is not one of the data set: {text[:80]}")
        for key, value in wanted.items():
            if entry.get(key) != value:
                raise InputError(
                    f"{path}: category {number} must have {key} {value!r}, got {entry.get(key)!r}"
                )
        found.categories[number] = entry


def _whole(entry: Any, key: str) -> int | None:
    """Return a whole number of an entry, or None where there is none."""
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if type(value) is int else None
