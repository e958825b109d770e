"""Show the default model at work: a rendered sticker scene and a photo of a cat.

python tools/demo.py [--out demo_out]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ovdet.apis import Model, Result

THRESHOLD = 0.5  # higher than the default: few boxes, nearly all of them right
STICKERS = ["cat", "dog", "pizza", "umbrella", "guitar", "banana", "elephant", "teapot"]
PHOTO = ["cat", "dog", "car"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return 0, or 2 where something it needs is missing."""
    parser = argparse.ArgumentParser(prog="demo.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo_out"), metavar="DIR")
    parser.add_argument("--model", metavar="NAME", help="a model of the zoo (ovdet-tiny)")
    parser.add_argument("--seed", type=int, default=0, help="of the sticker scene")
    options = parser.parse_args(arguments)
    try:
        from ovdet.apis import load

        model = load(options.model)
        show_stickers(model, options.out, options.seed)
        show_photo(model, options.out)
    except (ValueError, OSError, ImportError) as error:
        print(f"demo.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def show_stickers(model: "Model", out: Path, seed: int) -> None:
    """Detect the stickers of a rendered scene and say how many were named rightly."""
    import numpy as np

    from ovdet.data.stickers import SceneSpec, render_scene

    spec = SceneSpec(objects=(5, 5), sizes=(28, 44), clutter=(1, 2), recolour=0, occlusion=0.1)
    scene = render_scene(np.random.default_rng(seed), spec, STICKERS)
    result = model.detect(scene.image, STICKERS, threshold=THRESHOLD)
    _show("stickers", result, out)
    right = sum(_is_named(result, thing.name, thing.box) for thing in scene.objects)
    print(f"{right} of {len(scene.objects)} stickers found under their right names\n")


def show_photo(model: "Model", out: Path) -> None:
    """Detect in the public-domain photo of a cat that scikit-image carries."""
    from skimage import data

    _show("cat", model.detect(data.chelsea(), PHOTO, threshold=THRESHOLD), out)


def _show(name: str, result: "Result", out: Path) -> None:
    result.save(out / f"{name}.png")
    result.save(out / f"{name}.json")
    print(f"{out / name}.png and .json; asked for: {', '.join(result.vocabulary.names)}")
    print(result.table())


def _is_named(result: "Result", name: str, box: Sequence[float]) -> bool:
    """Return whether an object of this name overlaps the box by half (intersection over union)."""
    return any(found.label == name and _iou(found.box, box) >= 0.5 for found in result)


def _iou(one: Sequence[float], other: Sequence[float]) -> float:
    across = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    down = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    shared = across * down
    return shared / max(sum(areas) - shared, 1e-9)


if __name__ == "__main__":
    sys.exit(main())
