"""PanopticResult: one picture divided into segments, and the forms in which others want them."""

import colorsys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ovdet.apis.coco import PanopticFile, encode_ids
from ovdet.apis.draw import Colour, class_colour
from ovdet.apis.images import Pixels
from ovdet.apis.interchange import to_html
from ovdet.apis.legend import with_legend
from ovdet.apis.overlay import overlay
from ovdet.apis.saving import save_picture, save_png
from ovdet.apis.table import named_rows, percent
from ovdet.structures import InputError, Vocabulary

_IDS = 256**3  # how many a PNG can tell apart
_SHADES = (1.0, 0.7, 0.85, 0.55)  # brightness of the first segment of a class, the second, ...


@dataclass(frozen=True)
class Segment:
    """One segment.

    Attributes:
        id: Its value in the map.
        label: The class name, exactly as it was given.
        class_id: The class's place in the vocabulary.
        area: Pixels.
        box: (x1, y1, x2, y2), px, around its pixels.
    """

    id: int
    label: str
    class_id: int
    area: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class PanopticResult:
    """One picture divided into segments; iterating gives each ``Segment``, largest first.

    Attributes:
        ids: [H, W], int32, the segment of each pixel, from 1 on, below 256^3; 0 is none.
        classes: For each id the place of its class in ``vocabulary``.
        vocabulary: The classes that were asked for.
        image: The picture, RGB, uint8, [H, W, 3], upright.
        file_name: Where the picture was read from; empty when it came from memory.
        things: For each class whether it is countable, so that each object is a segment of its
            own; empty where that is not known.

    Raises:
        InputError: If the map has another size than the picture, its ids are not those of
            ``classes``, a class is outside the vocabulary, or ``things`` are not one a class.
    """

    ids: NDArray[np.int32]
    classes: Mapping[int, int]
    vocabulary: Vocabulary
    image: Pixels
    file_name: str = ""
    things: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if self.ids.shape != self.image.shape[:2]:
            raise InputError(
                f"ids must be {list(self.image.shape[:2])} as the picture, "
                f"got {list(self.ids.shape)}"
            )
        found = set(_distinct(self.ids)) - {0}
        if wrong := sorted(found ^ set(self.classes)):
            lack = "pixel" if wrong[0] in self.classes else "class"
            raise InputError(f"each segment must have pixels and a class, {wrong[0]} has no {lack}")
        if any(not 1 <= number < _IDS for number in found):
            raise InputError(f"ids must lie in 1 to {_IDS - 1}, got {min(found)} to {max(found)}")
        if wrong := sorted(set(self.classes.values()) - set(range(len(self.vocabulary)))):
            raise InputError(f"classes must be 0 to {len(self.vocabulary) - 1}, got {wrong[0]}")
        if len(self.things) not in {0, len(self.vocabulary)}:
            raise InputError(
                f"things must have one entry a class, {len(self.vocabulary)}, got "
                f"{len(self.things)}"
            )

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """All segments, largest first."""
        places = self._places
        boxes = ndimage.find_objects(places + 1)
        areas = np.bincount(places.ravel() + 1, minlength=len(self) + 1)[1:]
        found = []
        for i, number in enumerate(sorted(self.classes)):
            rows, columns = boxes[i]
            box = (columns.start, rows.start, columns.stop, rows.stop)
            class_id = self.classes[number]
            name = self.vocabulary.names[class_id]
            found.append(Segment(number, name, class_id, int(areas[i]), box))
        return tuple(sorted(found, key=lambda segment: -segment.area))

    @property
    def _places(self) -> NDArray[np.int32]:
        """[H, W]: for each pixel the place of its segment among the sorted ids; -1 for none."""
        known = np.array(sorted(self.classes), self.ids.dtype)
        places = np.searchsorted(known, self.ids).astype(np.int32)
        places[self.ids == 0] = -1
        return places

    def plot(self) -> Pixels:
        """Return the picture under the colours of its segments, with a legend below.

        Segments have their class's colour, one after the other brighter and darker; the legend
        counts them. See ``SemanticResult.plot`` for where things stand.
        """
        numbers = sorted(self.classes)
        colours = np.zeros((len(self), 3), np.uint8)
        seen: Counter[str] = Counter()
        areas: Counter[str] = Counter()
        for segment in self:
            shade = _SHADES[seen[segment.label] % len(_SHADES)]
            colours[numbers.index(segment.id)] = _shaded(class_colour(segment.label), shade)
            seen[segment.label] += 1
            areas[segment.label] += segment.area
        entries = [
            (f"{_times(name, seen[name])}  {percent(area / self.ids.size)}", class_colour(name))
            for name, area in areas.most_common()
        ]
        return with_legend(overlay(self.image, self._places, colours), entries)

    def save(self, path: str | Path) -> None:
        """Write the coloured picture, or COCO's panoptic JSON where the suffix is ``.json``.

        The JSON's PNG goes to the folder of its name without ending, as COCO has it.

        Raises:
            InputError: If the suffix names no picture format.
            OSError: If a file cannot be written; an older file then stays as it was.
        """
        path = Path(path)
        if path.suffix.lower() != ".json":
            save_picture(path, self.plot, ".json or ")
            return
        target = path.with_suffix("") / f"{Path(self.file_name).stem or 'picture'}.png"
        self.save_ids(target)
        file = PanopticFile(self.vocabulary, self.things)
        file.add(self.file_name, self.ids.shape, target.name, self.to_coco())
        file.save(path)

    def save_ids(self, path: str | Path) -> None:
        """Write the ids as COCO's panoptic PNG: R + 256 G + 256^2 B.

        Raises:
            InputError: If the suffix is not ``.png``.
            OSError: If the file cannot be written; an older file then stays as it was.
        """
        save_png(Path(path), encode_ids(self.ids))

    def to_coco(self) -> list[dict[str, int | list[int]]]:
        """Return COCO's ``segments_info``: id, category_id, area, bbox [x, y, w, h], iscrowd.

        Category ids are those of the vocabulary, by default 1 for the first class.
        """
        categories = self.vocabulary.category_ids
        records = []
        for segment in self:
            x1, y1, x2, y2 = segment.box
            record: dict[str, int | list[int]] = {
                "id": segment.id,
                "category_id": categories[segment.class_id],
                "area": segment.area,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "iscrowd": 0,
            }
            records.append(record)
        return records

    def _repr_html_(self) -> str:
        """Return what Jupyter shows: the coloured picture and the table, nothing from outside."""
        return to_html(self.plot(), self.table())

    def table(self) -> str:
        """Return the segments as lines of text: name, share of the picture, box."""
        if not len(self):
            return "nothing found"
        rows = []
        for segment in self:
            sides = " ".join(f"{side:6d}" for side in segment.box)
            rows.append(f"{percent(segment.area / self.ids.size):>5} {sides}")
        names = [segment.label for segment in self]
        return named_rows(names, "share     x1     y1     x2     y2", rows)


def _distinct(ids: NDArray[np.int32]) -> list[int]:
    """Return the values of a map; of runs of equal ones, of which there are few, only one each."""
    flat = ids.ravel()
    starts = np.flatnonzero(np.diff(flat)) + 1
    return [int(value) for value in np.unique(flat[np.append(0, starts)])]


def _times(name: str, count: int) -> str:
    return name if count == 1 else f"{name} x{count}"


def _shaded(colour: Colour, shade: float) -> Colour:
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value * shade)
    return round(red), round(green), round(blue)
