"""Compare tiled detection of a large collage with detection crop by crop.

python tools/benchmarks/tiling.py  # 6000 x 4000 px, 96 scenes of stickers
python tools/benchmarks/tiling.py --columns 3 --rows 2
"""

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that was not installed

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ovdet.apis import Result

CROP = 500  # px of a scene's side; 12 x 8 make 6000 x 4000
MOVE = (40, 24)  # px by which crops are moved, to see what the model finds by chance alone
SIZES = (80.0, 120.0)  # of objects, px: less than what two tiles share
HIT, INSIDE = 0.5, 0.7  # least overlap with an object, least part of a box inside one
MANY = 10_000  # objects of a picture, more than there are
GOAL = 0.98


@dataclass(frozen=True)
class Thing:
    """An object of the collage.

    Attributes:
        name: Its name.
        box: xyxy, px of the collage.
    """

    name: str
    box: tuple[float, ...]


class Watched:
    """A model that remembers what it gave for each picture, in order."""

    def __init__(self, model: Any) -> None:
        self.name, self.task, self.device = model.name, model.task, model.device
        self.given: list[NDArray[np.float32]] = []
        self._model = model

    def detect(self, images: list[Any], classes: Any, **how: Any) -> "list[Result]":
        """Ask the model."""
        results: list[Result] = self._model.detect(images, classes, **how)
        self.given += [result.boxes for result in results]
        return results


def collage(
    columns: int, rows: int, seed: int, names: Sequence[str]
) -> tuple[NDArray[np.uint8], list[Thing]]:
    """Render scenes side by side; return the picture and what is in it."""
    from ovdet.data.stickers import SceneSpec, render_scene

    spec = SceneSpec(
        side=CROP,
        objects=(4, 6),
        sizes=SIZES,
        clutter=(1, 2),
        clutter_sizes=(20, 90),
        occlusion=0.1,
        min_area=400,
    )
    picture = np.zeros((rows * CROP, columns * CROP, 3), np.uint8)
    things = []
    for place in range(columns * rows):
        top, left = place // columns * CROP, place % columns * CROP
        scene = render_scene(np.random.default_rng((seed, place)), spec, names)
        picture[top : top + CROP, left : left + CROP] = scene.image
        shift = np.array([left, top, left, top])
        things += [Thing(o.name, tuple((shift + o.box).tolist())) for o in scene.objects]
    return picture, things


def by_crops(
    model: Any, picture: NDArray[np.uint8], names: Any, move: tuple[int, int] = (0, 0)
) -> "Result":
    """Return what the model finds in each crop by itself, in px of the collage.

    Args:
        model: The model.
        picture: The collage.
        names: What to look for.
        move: How far the crops lie from the scenes, px to the right and down.
    """
    from ovdet.apis import Result

    boxes, parts = [], []
    for top in range(move[1], picture.shape[0], CROP):
        for left in range(move[0], picture.shape[1], CROP):
            part = model.detect(picture[top : top + CROP, left : left + CROP], names)
            boxes.append(part.boxes + np.array([left, top, left, top], np.float32))
            parts.append(part)
    scores = np.concatenate([part.scores for part in parts])
    labels = np.concatenate([part.class_ids for part in parts])
    return Result(np.concatenate(boxes), scores, labels, parts[0].vocabulary, picture)


def boxes_on(result: "Result", thing: Thing) -> tuple[bool, NDArray[np.intp]]:
    """Return whether a box of its name has half an overlap with an object, and which lie on it.

    A box lies on an object by its overlap, or with most of itself inside.
    """
    places = np.flatnonzero(np.array(result.labels, object) == thing.name)
    boxes, box = result.boxes[places].astype(np.float64), np.array(thing.box)
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = sides.clip(0).prod(axis=1)
    own = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    hits = shared / (own + (box[2:] - box[:2]).prod() - shared) >= HIT
    return bool(hits.any()), places[hits | (shared / own >= INSIDE)]


def found(result: "Result", things: Sequence[Thing]) -> NDArray[np.bool_]:
    """Return for each object whether it was found."""
    return np.array([boxes_on(result, thing)[0] for thing in things])


def twice(
    result: "Result", things: Sequence[Thing], views: Sequence[NDArray[np.float32]]
) -> tuple[int, int]:
    """Return how many objects bear two boxes of their name that one view, and that two views gave.

    Args:
        result: What tiled detection found.
        things: The objects.
        views: What each view gave, px of the collage.
    """
    own = {box.tobytes(): view for view, boxes in enumerate(views) for box in boxes}
    one = two = 0
    for thing in things:
        _, places = boxes_on(result, thing)
        # a box that no view gave is joined from several, which makes it one of its own
        seen = {own.get(result.boxes[place].tobytes(), -1 - int(place)) for place in places}
        one += len(places) > 1 and len(seen) == 1
        two += len(seen) > 1
    return one, two


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; return 0 if the goal is met, 1 if not."""
    parser = argparse.ArgumentParser(prog="tiling.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--columns", type=int, default=12, help="scenes across (12)")
    parser.add_argument("--rows", type=int, default=8, help="scenes down (8)")
    parser.add_argument("--side", type=int, default=512, help="of a tile, px (512)")
    parser.add_argument("--overlap", type=float, default=0.25, help="part of it (0.25)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    from ovdet.apis import Tiled, load
    from ovdet.apis.tiling import cut_tiles
    from ovdet.data.stickers.split import as_vocabulary, ov_categories

    names = as_vocabulary(ov_categories())
    picture, things = collage(options.columns, options.rows, options.seed, names.names)
    size = picture.shape[:2]
    print(f"{size[1]} x {size[0]} px, {len(things)} objects, {len(names)} names")
    model = load(device="cpu")
    model.detect(picture[:CROP, :CROP], names)  # text is encoded now
    crops, seconds = timed(lambda: by_crops(model, picture, names))
    moved = by_crops(model, picture, names, MOVE)
    print(f"crop by crop: {seconds:.1f} s of CPU, {peak():.0f} MB at most")
    watched = Watched(model)
    tiled = Tiled(watched, options.side, options.overlap)  # type: ignore[arg-type]
    tiles, seconds = timed(lambda: tiled.detect(picture, names, top_k=MANY))
    print(f"tiled: {seconds:.1f} s of CPU, {peak():.0f} MB at most, {len(watched.given)} views")
    corners = [tile[:2] for tile in cut_tiles(size, options.side, options.overlap)]
    views = [
        (boxes + np.array([x, y, x, y], np.float64)).astype(np.float32)
        for boxes, (x, y) in zip(watched.given, corners, strict=False)
    ]
    return report((crops, moved, tiles), things, twice(tiles, things, views))


def report(
    results: "tuple[Result, Result, Result]", things: Sequence[Thing], again: tuple[int, int]
) -> int:
    """Print how crops, moved crops and tiles compare; return 0 if the goal is met, 1 if not.

    The goal is about how many objects are found, and none twice across seams. Whether they are the
    same ones is the model's affair too, which finds or misses a few when a crop is moved by some
    px; so the moved crops stand beside the tiles, over what is whole in both kinds of crop.
    """
    crops, moved, tiles = (found(result, things) for result in results)
    share = tiles.sum() / max(crops.sum(), 1)
    whole = crops & np.array([lies_whole(thing, MOVE) for thing in things])
    print(f"boxes: crops {len(results[0])}, tiled {len(results[2])}")
    print(f"objects found: crops {crops.sum()}, tiled {tiles.sum()}, {share:.1%} (goal {GOAL:.0%})")
    print(f"of the {crops.sum()} that crops find: tiled {(crops & tiles).sum()}")
    print(
        f"of the {whole.sum()} that crops find and moved crops show whole: "
        f"moved crops {(whole & moved).sum()}, tiled {(whole & tiles).sum()}"
    )
    print(f"twice across seams: {again[1]} (goal 0); twice within one view: {again[0]}")
    return 0 if share >= GOAL and not again[1] else 1


def lies_whole(thing: Thing, move: tuple[int, int]) -> bool:
    """Return whether one of the moved crops shows all of an object."""
    sides = ((thing.box[axis] - move[axis], thing.box[axis + 2] - move[axis]) for axis in (0, 1))
    return all(low >= 0 and low // CROP == (high - 1) // CROP for low, high in sides)


def timed(work: Any) -> tuple[Any, float]:
    """Return what a function gives, and the CPU seconds it took."""
    start = time.process_time()
    return work(), time.process_time() - start


def peak() -> float:
    """Return the most memory that this process has held so far, MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    sys.exit(main())
