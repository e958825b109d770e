"""Tiled: a model that looks at a large picture piece by piece, so that small things stay large."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, overload

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from ovdet.apis.coco import Rle, decode_mask
from ovdet.apis.images import Pixels, Source
from ovdet.apis.inputs import Classes, Picture, Sources, load_picture
from ovdet.apis.model import DETECT, Model, Settings
from ovdet.apis.result import Result
from ovdet.apis.segmenting import INSTANCE, Asked
from ovdet.ops.rle import encode_window
from ovdet.ops.seams import Sightings, is_cut, join_sightings
from ovdet.structures import InputError, Vocabulary

Tile = tuple[int, int, int, int]
Ask = Callable[[list[Source]], list[Result]]
SIDE, OVERLAP = 640, 0.25
_LEAST = 32  # px of a tile's side
_BATCH = 8  # tiles at a time where there is a GPU
_WHOLE = 2048  # px of the longer side to which the whole picture is reduced before the model's own


class Tiled:
    """A model that is shown overlapping tiles of each picture, and the whole once.

    It stands in a model's place: ``detect`` takes and gives the same. Objects no larger than the
    overlap are whole in some tile; larger ones are joined from their pieces, or come from the look
    at the whole picture, if they are not whole in any tile. Names are encoded once, by the model's
    own memory of them. Tiles are views of the picture and pass the model ``batch_size`` at a time,
    so that memory beyond the picture does not grow with it.

    Args:
        model: Finds objects: a detector, or a segmentor that can be asked for ``instance``.
        side: Of a tile, px of the picture, at least 32. The model then makes its own size of it.
        overlap: Least part of a tile's side that it shares with the next, above 0, at most 0.5.
            It should exceed the objects that are to be seen as sharply as a tile shows them.

    Raises:
        InputError: If a number is out of its range, or the model finds no objects.
    """

    def __init__(self, model: Model, side: int = SIDE, overlap: float = OVERLAP) -> None:
        if side < _LEAST:
            raise InputError(f"side of a tile must be at least {_LEAST} px, got {side}")
        if not 0 < overlap <= 0.5:
            raise InputError(f"overlap of tiles must be above 0 and at most 0.5, got {overlap}")
        self.model = model
        self.side = side
        self.overlap = overlap
        self.name = f"{model.name} on tiles"

    @property
    def task(self) -> str:
        """What the model is made for; see ``Model.task``."""
        return self.model.task

    @property
    def settings(self) -> Settings:
        """How the model wants to be used."""
        return self.model.settings

    @overload
    def detect(
        self,
        images: Sources,
        classes: Classes | None = None,
        *,
        threshold: float | None = None,
        top_k: int = 100,
        batch_size: int | None = None,
    ) -> list[Result]: ...
    @overload
    def detect(
        self,
        images: Source,
        classes: Classes | None = None,
        *,
        threshold: float | None = None,
        top_k: int = 100,
        batch_size: int | None = None,
    ) -> Result: ...
    def detect(
        self,
        images: Source | Sources,
        classes: Classes | None = None,
        *,
        threshold: float | None = None,
        top_k: int = 100,
        batch_size: int | None = None,
    ) -> Result | list[Result]:
        """Find objects of any classes; as ``Model.detect``.

        Args:
            images: As there.
            classes: As there.
            threshold: As there.
            top_k: Most objects a tile, and a picture.
            batch_size: Tiles that pass the model together, at least 1; None: 8, but 1 on a CPU,
                which is no faster with several.

        Raises:
            InputError: As there.
        """
        size = self._batch(batch_size)

        def ask(views: list[Source]) -> list[Result]:
            return self.model.detect(
                views, classes, threshold=threshold, top_k=top_k, batch_size=size
            )

        return self._all(images, ask, top_k, size)

    def segment(
        self,
        images: Source | Sources,
        classes: Classes | None,
        task: str | None = None,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
        batch_size: int | None = None,
    ) -> Any:
        """Find objects with their masks; as ``Model.segment`` with the task ``instance``.

        Returns:
            One ``Result`` for one picture, a list for a list.

        Raises:
            InputError: If it is asked for another task, or as there.
        """
        chosen = task or (INSTANCE if self.task == DETECT else self.task)
        if chosen != INSTANCE:
            raise InputError(f"tiles are for objects: ask for instance, not for {chosen}")
        most = 100 if top_k is None else top_k
        size = self._batch(batch_size)
        how: Asked = {"threshold": threshold, "top_k": most, "batch_size": size}

        def ask(views: list[Source]) -> list[Result]:
            found: list[Result] = self.model.segment(views, classes, chosen, **how)
            return found

        return self._all(images, ask, most, size)

    def _batch(self, size: int | None) -> int:
        if size is None:
            return 1 if self.model.device.type == "cpu" else _BATCH
        if size < 1:
            raise InputError(f"batch_size must be at least 1, got {size}")
        return size

    def _all(
        self, images: Source | Sources, ask: Ask, top_k: int, batch_size: int
    ) -> Result | list[Result]:
        if not isinstance(images, list | tuple):
            return self._one(load_picture(images), ask, top_k, batch_size)
        pictures = (load_picture(source, place) for place, source in enumerate(images))
        return [self._one(picture, ask, top_k, batch_size) for picture in pictures]

    def _one(self, picture: Picture, ask: Ask, top_k: int, batch_size: int) -> Result:
        tiles = cut_tiles(picture.size, self.side, self.overlap)
        seen = _Seen(picture.size, tiles)
        if len(tiles) > 1:
            for start in range(0, len(tiles), batch_size):
                part = tiles[start : start + batch_size]
                views: list[Source] = [picture.pixels[y1:y2, x1:x2] for x1, y1, x2, y2 in part]
                for place, result in enumerate(ask(views), start):
                    seen.add(result, place)
            seen.add(ask([reduced(picture.pixels, _WHOLE)])[0], len(tiles))
        else:
            seen.add(ask([picture.pixels])[0], 0)
        return seen.to_result(picture, top_k)


def cut_tiles(size: tuple[int, int], side: int, overlap: float) -> list[Tile]:
    """Return tiles that cover a picture, spread evenly, row by row.

    Args:
        size: (height, width), px.
        side: Of a tile, px; less where the picture is smaller.
        overlap: Least part of the side that two neighbours share.

    Returns:
        Boxes, xyxy, px.
    """
    rows, columns = (_starts(length, side, overlap) for length in size)
    height, width = (min(side, length) for length in size)
    return [(x, y, x + width, y + height) for y in rows for x in columns]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    if length <= side:
        return [0]
    shared = min(math.ceil(overlap * side), side - 1)
    count = math.ceil((length - shared) / (side - shared))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def reduced(pixels: Pixels, most: int) -> Pixels:
    """Return a picture whose longer side is at most ``most`` px; itself if it is so already."""
    height, width = pixels.shape[:2]
    scale = most / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


@dataclass
class _Seen:
    """What the views of one picture have given so far; their pixels are not kept."""

    size: tuple[int, int]
    tiles: list[Tile]
    boxes: list[NDArray[np.float64]] = field(default_factory=list)
    scores: list[NDArray[np.float32]] = field(default_factory=list)
    labels: list[NDArray[np.int64]] = field(default_factory=list)
    views: list[NDArray[np.int64]] = field(default_factory=list)
    rles: list[Rle] | None = field(default_factory=list)
    vocabulary: Vocabulary = field(init=False)

    def add(self, result: Result, view: int) -> None:
        """Add what a view gave, in its own px; view T is the whole picture, maybe reduced."""
        left, top = self.tiles[view][:2] if view < len(self.tiles) else (0, 0)
        scale = self._scale(view, result.image.shape[:2])
        self.boxes.append(result.boxes * np.tile(scale, 2) + np.array([left, top, left, top]))
        self.scores.append(result.scores)
        self.labels.append(result.class_ids)
        self.views.append(np.full(len(result), view, np.int64))
        self.vocabulary = result.vocabulary
        if self.rles is not None:
            self.rles = None if result.rles is None else [*self.rles, *result.rles]

    def to_result(self, picture: Picture, top_k: int) -> Result:
        """Return the objects, best first."""
        scores, labels = np.concatenate(self.scores), np.concatenate(self.labels)
        seen = Sightings(
            np.concatenate(self.boxes),
            scores.astype(np.float64),
            labels,
            np.concatenate(self.views),
            np.array(self.tiles, np.float64),
            self.size,
        )
        objects = join_sightings(seen)
        objects.sort(key=lambda members: -scores[members[0]])
        objects = _own_members(objects[:top_k], is_cut(seen))
        boxes = [_around(seen.boxes[members]) for members in objects]
        firsts = np.array([members[0] for members in objects], np.int64)
        return Result(
            np.array(boxes, np.float32).reshape(-1, 4),
            scores[firsts],
            labels[firsts],
            self.vocabulary,
            picture.pixels,
            self._masks(objects, seen.views),
            picture.file_name,
        )

    def _masks(self, objects: list[list[int]], views: NDArray[np.int64]) -> tuple[Rle, ...] | None:
        """Return one mask an object over the picture, drawn one at a time in its own window."""
        if self.rles is None:
            return None
        placed = (
            [self._placed(self.rles[place], int(views[place])) for place in members]
            for members in objects
        )
        return tuple(rles[0] if len(rles) == 1 else coco_mask.merge(rles) for rles in placed)

    def _placed(self, rle: Rle, view: int) -> Rle:
        """Return a view's mask over the picture."""
        height, width = self.size
        scale = self._scale(view, (rle["size"][0], rle["size"][1]))
        left, top = self.tiles[view][:2] if view < len(self.tiles) else (0, 0)
        mask = decode_mask(rle)
        if (scale != 1).any():
            mask, (left, top) = _enlarged(mask, scale)
        return encode_window(mask, (left, top), (height, width))

    def _scale(self, view: int, size: tuple[int, ...]) -> NDArray[np.float64]:
        """Return px of the picture for one px of a view's result, across and down."""
        if view < len(self.tiles):
            return np.ones(2)
        return np.array([self.size[1] / size[1], self.size[0] / size[0]])


def _own_members(objects: list[list[int]], cut: NDArray[np.bool_]) -> list[list[int]]:
    """Return for each object the sightings it consists of: a whole one alone, or all pieces."""
    return [members if cut[members[0]] else members[:1] for members in objects]


def _around(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _enlarged(
    mask: NDArray[np.bool_], scale: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Return the part of a mask that holds the object, larger, and its corner (left, top)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return mask[:0, :0], (0, 0)
    left, right = (round(v * scale[0]) for v in (columns[0], columns[-1] + 1))
    top, bottom = (round(v * scale[1]) for v in (rows[0], rows[-1] + 1))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8) * 255
    size = (max(1, right - left), max(1, bottom - top))
    return cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) >= 128, (left, top)
