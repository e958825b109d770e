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
SIZES = (40.0, 120.0)  # of objects, px: less than what two tiles share
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


@dataclass(frozen=True)
class Score:
    """How a list of boxes stands to the objects.

    Attributes:
        found: For each object whether a box of its name has half an overlap with it.
        again: For each object how many boxes of its name, beyond the first, lie on it: by overlap,
            or with most of themselves inside.
        boxes: How many boxes there are.
    """

    found: NDArray[np.bool_]
    again: NDArray[np.int64]
    boxes: int


def collage(
    columns: int, rows: int, seed: int, names: Sequence[str]
) -> tuple[NDArray[np.uint8], list[Thing]]:
    """Render scenes side by side; return the picture and what is in it."""
    from ovdet.data.stickers import SceneSpec, render_scene

    spec = SceneSpec(side=CROP, objects=(4, 6), sizes=SIZES, clutter_sizes=(20, 90), min_area=400)
    picture = np.zeros((rows * CROP, columns * CROP, 3), np.uint8)
    things = []
    for place in range(columns * rows):
        top, left = place // columns * CROP, place % columns * CROP
        scene = render_scene(np.random.default_rng((seed, place)), spec, names)
        picture[top : top + CROP, left : left + CROP] = scene.image
        shift = np.array([left, top, left, top])
        things += [Thing(o.name, tuple((shift + o.box).tolist())) for o in scene.objects]
    return picture, things


def by_crops(model: Any, picture: NDArray[np.uint8], names: Any) -> "Result":
    """Return what the model finds in each scene by itself, in px of the collage."""
    from ovdet.apis import Result

    boxes, parts = [], []
    for top in range(0, picture.shape[0], CROP):
        for left in range(0, picture.shape[1], CROP):
            part = model.detect(picture[top : top + CROP, left : left + CROP], names)
            boxes.append(part.boxes + np.array([left, top, left, top], np.float32))
            parts.append(part)
    scores = np.concatenate([part.scores for part in parts])
    labels = np.concatenate([part.class_ids for part in parts])
    return Result(np.concatenate(boxes), scores, labels, parts[0].vocabulary, picture)


def judge(result: "Result", things: Sequence[Thing]) -> Score:
    """Compare boxes with the objects of their names."""
    labels = np.array(result.labels, object)
    found, again = np.zeros(len(things), np.bool_), np.zeros(len(things), np.int64)
    for place, thing in enumerate(things):
        boxes = result.boxes[labels == thing.name].astype(np.float64)
        box = np.array(thing.box)
        sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
        shared = sides.clip(0).prod(axis=1)
        own = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        hits = shared / (own + (box[2:] - box[:2]).prod() - shared) >= HIT
        found[place] = hits.any()
        again[place] = max(0, int((hits | (shared / own >= INSIDE)).sum()) - 1)
    return Score(found, again, len(result))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; return 0 if the goal is met, 1 if not."""
    parser = argparse.ArgumentParser(prog="tiling.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--columns", type=int, default=12, help="scenes across (12)")
    parser.add_argument("--rows", type=int, default=8, help="scenes down (8)")
    parser.add_argument("--side", type=int, default=512, help="of a tile, px (512)")
    parser.add_argument("--overlap", type=float, default=0.25, help="part of it (0.25)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    import ovdet
    from ovdet.data.stickers.split import as_vocabulary, ov_categories

    vocabulary = as_vocabulary(ov_categories())
    picture, things = collage(options.columns, options.rows, options.seed, vocabulary.names)
    model = ovdet.load(device="cpu")
    model.detect(picture[:CROP, :CROP], vocabulary)  # text is encoded now
    crops, crop_seconds = timed(lambda: by_crops(model, picture, vocabulary))
    before = peak()
    tiled = ovdet.Tiled(model, options.side, options.overlap)
    tiles, tile_seconds = timed(lambda: tiled.detect(picture, vocabulary, top_k=MANY))
    height, width = picture.shape[:2]
    print(f"{width} x {height} px, {len(things)} objects, {len(vocabulary)} names")
    print(f"tiled: {tile_seconds:.1f} s, crop by crop: {crop_seconds:.1f} s (CPU time)")
    print(f"peak memory {peak():.0f} MB, {before:.0f} MB before the tiles")
    return report(judge(crops, things), judge(tiles, things))


def report(crops: Score, tiles: Score) -> int:
    """Print how the two compare; return 0 if tiling finds enough and nothing twice, 1 if not."""
    both = int((crops.found & tiles.found).sum())
    share = both / max(int(crops.found.sum()), 1)
    twice = int(((tiles.again > crops.again) & crops.found).sum())
    print(f"boxes: tiled {tiles.boxes}, crop by crop {crops.boxes}")
    print(f"objects found: tiled {tiles.found.sum()}, crop by crop {crops.found.sum()}")
    print(f"of what the crops find, tiled finds {both} ({share:.1%}; goal {GOAL:.0%})")
    print(f"found twice: tiled {(tiles.again > 0).sum()}, crop by crop {(crops.again > 0).sum()}")
    print(f"objects with more boxes when tiled than in their crop: {twice}")
    return 0 if share >= GOAL and not twice else 1


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
