"""Seams: what several views of one picture saw becomes one list, nothing in it twice. No state.

Views are T tiles that overlap, and the whole picture as view T, which is the coarsest. A tile's
inner edge cuts objects, so the same thing may be seen whole, in pieces, and several times. Shapes:
N boxes, T tiles; px of the picture throughout.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SAME = 0.5  # overlap, in what two views share, from which boxes of one class are one object
_OTHER = 0.7  # from which two whole boxes of different classes are
_PART = 0.8  # share of a whole box within a better one of its class from which it is a part of that
_COVER = 0.5  # share of a cut box that a box of the tile that shows all of it must cover
_NONE = -1
_MARGIN = 0.02  # of a tile's longer side: how far from a border a box may end that it cuts


@dataclass(frozen=True, eq=False)
class Sightings:
    """The N boxes that all views saw.

    Attributes:
        boxes: [N, 4], xyxy.
        scores: [N].
        labels: [N].
        views: [N], in [0, T]; T is the whole picture.
        tiles: [T, 4], xyxy.
        size: (H, W) of the picture.
    """

    boxes: Numbers
    scores: Numbers
    labels: Places
    views: Places
    tiles: Numbers
    size: tuple[int, int]

    @property
    def areas(self) -> Numbers:
        """[T + 1, 4], where each view lies."""
        height, width = self.size
        return np.concatenate([self.tiles.reshape(-1, 4), [[0, 0, width, height]]]).astype(float)

    def inner(self) -> Numbers:
        """Return [T + 1, 4]: the views without the margin along edges that cut; infinite others."""
        height, width = self.size
        areas = self.areas
        margin = _MARGIN * (areas[:, 2:] - areas[:, :2]).max(axis=1, keepdims=True)
        low, high = areas[:, :2], areas[:, 2:]
        ends = np.array([width, height])
        low = np.where(low <= 0, -np.inf, low + margin)
        return np.concatenate([low, np.where(high >= ends, np.inf, high - margin)], axis=1)


def join_sightings(seen: Sightings) -> list[list[int]]:
    """Return the objects, each as the places of its sightings, the one that counts first.

    A box that a tile's edge cuts gives way to what a tile that shows all of it saw there; a box of
    the whole picture to any such tile, even if that saw nothing. Of what is left two boxes are one
    object where they agree in the area that both views show: of one class by an overlap of 0.5; of
    different classes, both whole, by 0.7, and the view that is surest decides on the name; and a
    whole box that lies in a surer view's box of its class, without that view having it too, is a
    part of that. What one view gives several times stays so. An object begins with a whole box
    where there is one, the best, and is that box; otherwise it is the union of its pieces.

    Args:
        seen: What the views saw.

    Returns:
        Lists of places among the N. The sightings after a whole first one are the same object seen
        again; after a first one that is cut they are further pieces of it.
    """
    cut = is_cut(seen)
    left = np.flatnonzero(~_gives_way(seen, cut))
    partners = _partners(seen, left)
    order = left[np.lexsort((-seen.scores[left], cut[left]))]  # whole ones first, best first
    objects: list[list[int]] = []
    home: dict[int, int] = {}
    for place in order.tolist():
        agreeing = [pair for pair in partners[place] if pair[1] in home]
        found = _home_of(place, agreeing, seen, cut, (objects, home))
        if found is None:
            home[place] = len(objects)
            objects.append([place])
        elif found >= 0:
            home[place] = found
            objects[found].append(place)
    return objects


def is_cut(seen: Sightings) -> Bools:
    """Return [N], whether a tile's inner edge cuts the box, or nearly."""
    inner = seen.inner()[seen.views]
    low = (seen.boxes[:, :2] < inner[:, :2]).any(axis=1)
    high = (seen.boxes[:, 2:] > inner[:, 2:]).any(axis=1)
    return np.asarray(low | high)


def _gives_way(seen: Sightings, cut: Bools) -> Bools:
    """Return [N], whether another tile shows all of the box and its word counts more."""
    found = np.zeros(len(seen.boxes), np.bool_)
    coarse = seen.views == len(seen.tiles)
    for tile, area in enumerate(seen.inner()[:-1]):
        inside = (seen.boxes[:, :2] >= area[:2]).all(axis=1)
        inside &= (seen.boxes[:, 2:] <= area[2:]).all(axis=1)
        found |= inside & coarse
        pieces = np.flatnonzero(inside & cut & (seen.views != tile))
        boxes = seen.boxes[pieces]
        shared, _ = _overlap(boxes, seen.boxes[seen.views == tile])
        found[pieces] |= (shared >= _COVER * _sizes(boxes)[:, None]).any(axis=1)
    return found


def _home_of(
    place: int,
    partners: list[tuple[float, int]],
    seen: Sightings,
    cut: Bools,
    known: tuple[list[list[int]], dict[int, int]],
) -> int | None:
    """Return the object that a sighting belongs to; ``_NONE`` if to none at all, None if a new one.

    Args:
        place: The sighting.
        partners: Earlier sightings that agree with it, and by how much.
        seen: All sightings.
        cut: Which of them are cut.
        known: The objects so far, and the object of each sighting that has one.
    """
    objects, home = known
    superseded = False
    for value, other in sorted(partners, reverse=True):
        members = objects[home[other]]
        first = other == members[0]
        whole = not (cut[place] or cut[other])
        if seen.labels[other] == seen.labels[place] and value >= _SAME:
            fits = first or cut[members[0]]
            if fits and seen.views[place] not in seen.views[members]:
                return home[other]
        elif first and whole:
            superseded = True
    return _NONE if superseded else None


def _partners(seen: Sightings, places: Places) -> dict[int, list[tuple[float, int]]]:
    """Return for each sighting those of other views that agree with it: (overlap, place)."""
    found: dict[int, list[tuple[float, int]]] = defaultdict(list)
    by_view = {int(v): places[seen.views[places] == v] for v in np.unique(seen.views[places])}
    sizes = _sizes(seen.boxes)
    for one, other, area in _neighbours(list(by_view), seen.areas):
        first, second = by_view[one], by_view[other]
        shared, overlap = _overlap(_clip(seen.boxes[first], area), _clip(seen.boxes[second], area))
        same = seen.labels[first][:, None] == seen.labels[second]
        agree = overlap >= np.where(same, _SAME, _OTHER)
        inside = [same & (shared >= _PART * s) for s in (sizes[first][:, None], sizes[second])]
        for i, j in np.argwhere(agree | inside[0]).tolist():
            found[int(first[i])].append((float(overlap[i, j]), int(second[j])))
        for i, j in np.argwhere(agree | inside[1]).tolist():
            found[int(second[j])].append((float(overlap[i, j]), int(first[i])))
    return found


def _neighbours(views: list[int], areas: Numbers) -> Iterator[tuple[int, int, Numbers]]:
    """Yield each two views that share an area, with that area, [4]."""
    rest = areas[views]
    for place, view in enumerate(views):
        later = rest[place + 1 :]
        low = np.maximum(later[:, :2], areas[view, :2])
        high = np.minimum(later[:, 2:], areas[view, 2:])
        for index in np.flatnonzero((high > low).all(axis=1)).tolist():
            yield view, views[place + 1 + index], np.concatenate([low[index], high[index]])


def _clip(boxes: Numbers, area: Numbers) -> Numbers:
    return np.stack([boxes[:, i].clip(area[i % 2], area[2 + i % 2]) for i in range(4)], axis=1)


def _sizes(boxes: Numbers) -> Numbers:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))


def _overlap(one: Numbers, other: Numbers) -> tuple[Numbers, Numbers]:
    """Return intersection, px, and intersection over union, both [N, M]; 0 where there is none."""
    low = np.maximum(one[:, None, :2], other[:, :2])
    high = np.minimum(one[:, None, 2:], other[:, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    union = _sizes(one)[:, None] + _sizes(other) - shared
    return shared, np.asarray(shared / np.maximum(union, 1e-9))
