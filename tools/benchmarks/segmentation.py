"""Name every pixel of a large photo, beside the usual way of all maps at full size.

python tools/benchmarks/segmentation.py [--height 3000] [--width 4000] [--names 150] [--repeats 3]

Both sides have the same weights (maskclip with tiny-clip's ViT), the same windows of 192 px every
144 px and the same names; each runs in processes of its own, in turn, whose peak memory is their
own. The usual way stretches each window's logits to pixels and sums them on maps of all names.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = Path(__file__).parents[2] / "configs/methods/maskclip/maskclip_tiny_stickers.py"
WINDOW, STEP = 192, 144  # px; the tower learnt at 64 px
ALIKE = 0.05  # of the pixels: at a window's border one side stretches, the other averages, first
SCENES = 60  # the photo repeats so many
SIDES = ("ovdet", "all maps")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0 where memory is saved and the labels agree, 1 where not."""
    options = parse(arguments)
    if options.side:
        _run(options)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        files = {side: Path(folder) / f"{side}.npy" for side in SIDES}
        runs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for turn in range(options.repeats):
            for side in SIDES if turn % 2 else SIDES[::-1]:  # drift hits both alike
                runs[side].append(_process(options, side, files[side]))
        return report(options, runs, files)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="segmentation.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--height", type=int, default=3000, metavar="H")
    parser.add_argument("--width", type=int, default=4000, metavar="W")
    parser.add_argument("--names", type=int, default=150, metavar="C")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)  # how it calls itself
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def report(
    options: argparse.Namespace, runs: dict[str, list[dict[str, float]]], files: dict[str, Path]
) -> int:
    """Print both sides' seconds and peaks and how many pixels differ; return the exit status."""
    import numpy as np

    print(f"{options.width} x {options.height} px, {options.names} names")
    for side, found in runs.items():
        seconds = [run["seconds"] for run in found]
        print(
            f"{side}: {statistics.median(seconds):.1f} s ({min(seconds):.1f} to "
            f"{max(seconds):.1f}), peak {max(run['peak'] for run in found):.0f} MB"
        )
    first, second = runs.values()
    ratios = [b["seconds"] / a["seconds"] for a, b in zip(first, second, strict=True)]
    saved = statistics.median(
        (b["peak"] - b["before"]) / max(a["peak"] - a["before"], 1)  # at least 1 MB
        for a, b in zip(first, second, strict=True)
    )
    print(
        f"{statistics.median(ratios):.2f} x as fast ({min(ratios):.2f} to {max(ratios):.2f} over "
        f"{len(ratios)}), 1/{saved:.1f} of the memory that is added to the loaded model"
    )
    one, other = (np.load(file) for file in files.values())
    differ = float((one != other).mean())
    print(f"labels differ on {differ:.3%} of pixels; {len(np.unique(one))} names occur")
    return 0 if saved > 1 and differ < ALIKE else 1


def _process(options: argparse.Namespace, side: str, out: Path) -> dict[str, float]:
    shape = ["--height", options.height, "--width", options.width, "--names", options.names]
    command = [sys.executable, __file__, *map(str, shape), "--side", side, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _run(options: argparse.Namespace) -> None:
    """Segment once; write the labels, print seconds and peak memory as JSON."""
    import numpy as np
    import torch

    from ovdet.data.stickers import NAMES
    from ovdet.engine.config import load_config
    from ovdet.registry import build
    from ovdet.structures import Sample, Vocabulary

    views = {"window": WINDOW, "step": STEP, "scales": (1.0,)}
    changed = {f"model.settings.views.{key}": value for key, value in views.items()}
    model: Any = build(load_config(str(CONFIG), changed).to_dict()["model"], "model").eval()
    vocabulary = Vocabulary.of(list(NAMES)[: options.names])
    size = (options.height, options.width)
    sample = Sample(_picture(size), 0, "", size)
    with torch.no_grad():
        model.text(vocabulary)  # encoded once, not timed
        before = _peak()
        start = time.perf_counter()
        if options.side == SIDES[0]:
            labels = model.segment([sample], vocabulary)[0]
        else:
            labels = _all_maps(model, sample.image, vocabulary)
        seconds = time.perf_counter() - start
    np.save(options.out, labels.numpy().astype(np.int16))
    print(json.dumps({"seconds": seconds, "before": before, "peak": _peak()}))


def _all_maps(model: Any, image: "Tensor", vocabulary: Any) -> "Tensor":
    """Sum the logits of windows on maps of all names at full size; return the best, [H, W]."""
    import torch
    from torch.nn.functional import interpolate

    from ovdet.ops.windows import window_starts

    text = model.text(vocabulary)
    height, width = image.shape[-2:]
    total = torch.zeros(len(vocabulary), height, width)
    count = torch.zeros(height, width)
    sides = (min(WINDOW, height), min(WINDOW, width))
    for top in window_starts(height, sides[0], STEP, model.trunk.stride):
        for left in window_starts(width, sides[1], STEP, model.trunk.stride):
            place = (slice(top, top + sides[0]), slice(left, left + sides[1]))
            logits = model.look(image[None][:, :, *place], text)
            total[:, *place] += interpolate(logits, sides, mode="bilinear")[0]
            count[place] += 1
    return total.div_(count).argmax(dim=0)


def _picture(size: tuple[int, int]) -> "Tensor":
    """Return rendered scenes side by side, [3, H, W] in [0, 1]."""
    import numpy as np
    import torch

    from ovdet.data.stickers import NAMES
    from ovdet.data.stickers.scenes import render_scene
    from ovdet.data.stickers.segmentation import SEG_SPEC

    rng = np.random.default_rng(0)
    scenes = [render_scene(rng, SEG_SPEC, NAMES).image for _ in range(SCENES)]
    side = SEG_SPEC.side
    rows, columns = (-(-length // side) for length in size)
    order = rng.integers(SCENES, size=(rows, columns))
    whole = np.concatenate([np.concatenate([scenes[i] for i in row], axis=1) for row in order])
    picture = torch.from_numpy(whole[: size[0], : size[1]].copy()).permute(2, 0, 1)
    return picture.float() / 255


def _peak() -> float:
    """Return the most memory this process held, MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    sys.exit(main())
