"""Time one picture in onnxruntime beside torch, the default model exported, in turn.

python tools/benchmarks/export.py [--names 65] [--repeats 15] [--threads 1] [--file model.onnx]
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that was not installed

THRESHOLD = 0.3
_COLD = 2  # runs that are not counted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0 where both find as many boxes, 1 where not."""
    options = parse(arguments)
    import torch

    import ovdet
    from ovdet.export import export, runner

    torch.set_num_threads(options.threads)
    model = ovdet.load("ovdet-tiny", device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder) / "model.onnx"
        if not path.exists():
            print(export(model, path).difference.text)
        sides = prepare(model, runner(path, "onnx"), options.names)
        return report(sides, measure(sides, options.repeats), options)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="export.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--names", type=int, default=65, metavar="C")
    parser.add_argument("--repeats", type=int, default=15, metavar="N")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--file", type=Path, help="exported already, or to be written and kept")
    return parser.parse_args(arguments)


def prepare(model: Any, run: Any, count: int) -> dict[str, Callable[[], int]]:
    """Return what finds a picture's objects on either side, and how many there are."""
    import torch

    from ovdet.data.stickers import NAMES
    from ovdet.export.choice import graph_of
    from ovdet.export.pictures import render, show
    from ovdet.structures import Vocabulary

    graph = graph_of(model)
    pixels, things = render()
    shown = show(model, graph, pixels)
    names = list(dict.fromkeys([*things, *NAMES]))[:count]
    inputs = {
        "images": shown.images,
        "sizes": torch.tensor([shown.sample.original_size]),
        "text": model.embed_text(names),
        "threshold": torch.tensor(THRESHOLD),
    }
    vocabulary = Vocabulary.of(names)

    def ask() -> int:
        with torch.inference_mode():
            found = model.detector.predict([shown.sample], vocabulary, threshold=THRESHOLD)
        return len(found[0])

    print(f"{shown.images.shape[-1]} x {shown.images.shape[-2]} px, {len(names)} names")
    return {"onnxruntime": lambda: len(run(inputs)[0]), "torch": ask}


def measure(sides: dict[str, Callable[[], int]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each side's runs, the sides taking turns."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + _COLD):
        for name in list(sides)[:: 1 if turn % 2 else -1]:  # drift hits both alike
            start = time.perf_counter()
            sides[name]()
            if turn >= _COLD:
                times[name].append(time.perf_counter() - start)
    return times


def report(
    sides: dict[str, Callable[[], int]],
    times: dict[str, list[float]],
    options: argparse.Namespace,
) -> int:
    """Print medians and their ratio with its spread; return the exit status."""
    counts = {name: find() for name, find in sides.items()}
    for name, seconds in times.items():
        middle = statistics.median(seconds) * 1e3
        print(f"{name}: {middle:.1f} ms, {counts[name]} boxes, {options.threads} threads")
    ratios = sorted(b / a for a, b in zip(times["onnxruntime"], times["torch"], strict=True))
    print(
        f"onnxruntime is {statistics.median(ratios):.2f} x as fast as torch "
        f"({ratios[len(ratios) // 10]:.2f} to {ratios[-1 - len(ratios) // 10]:.2f} at the 10th "
        f"and 90th percentile of {len(ratios)})"
    )
    return int(len(set(counts.values())) > 1)


if __name__ == "__main__":
    sys.exit(main())
