"""Time the evaluation of detections against pycocotools, in pairs, each side in its own process.

python tools/benchmarks/evaluation.py [--boxes 500000] [--lvis-boxes 1400000] [--pairs 3]
"""

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FASTER, LEANER, LVIS_SECONDS = 30, 3, 5.0  # the goals
MEASURES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
PART = 10  # pycocotools gets this part of the LVIS-like images: it takes minutes for all


@dataclass(frozen=True)
class World:
    """The size of a made-up data set."""

    images: int
    objects: int
    classes: int
    boxes: int
    federated: bool = False

    def __str__(self) -> str:
        counts = ("images", "objects", "classes")
        shown = ", ".join(f"{getattr(self, key):,} {key}" for key in counts)
        return f"{shown}, {self.boxes:,} detections"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0 where all goals are met, 1 where not."""
    parser = argparse.ArgumentParser(
        prog="evaluation.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--boxes", type=int, default=500_000, metavar="N", help="COCO-like")
    parser.add_argument("--lvis-boxes", type=int, default=1_400_000, metavar="N", help="LVIS-like")
    parser.add_argument("--pairs", type=int, default=3, metavar="N")
    parser.add_argument("--side", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=7, metavar="N", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        print(json.dumps(SIDES[options.side[0]](Path(options.side[1]))))
        return 0
    if options.make:
        *sizes, folder = options.make
        make(World(*map(int, sizes[:4]), federated=sizes[4] == "1"), int(sizes[5]), Path(folder))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return compare(options, Path(folder))


def compare(options: argparse.Namespace, folder: Path) -> int:
    """Measure both worlds, print what was found, and last the ratios."""
    scale = options.boxes / 500_000
    coco = World(max(int(5000 * scale), 2), max(int(36_335 * scale), 8), 80, options.boxes)
    print(f"COCO-like: {coco}")
    ask(folder / "coco", coco, seed=0)
    pairs = run_pairs(folder / "coco", ("ours", "pycocotools"), options.pairs)
    for ours, theirs in pairs:
        far = max(abs(a - b) for a, b in zip(ours["figures"], theirs["figures"], strict=True))
        if far > 1e-9:
            print(f"the twelve figures differ by {far}", file=sys.stderr)
            return 1
    faster = show("evaluating", pairs, "seconds")
    whole = show("with reading the files", pairs, "total")
    show("processor time of evaluating", pairs, "cpu")
    memory = show("peak memory of the process", pairs, "peak", unit="MB")
    scale = options.lvis_boxes / 1_400_000
    images, objects = max(int(19_809 * scale), 2 * PART), max(int(244_707 * scale), 80)
    lvis = World(images, objects, 1203, options.lvis_boxes, federated=True)
    print(f"LVIS-like: {lvis}")
    ask(folder / "lvis", lvis, seed=1)
    runs = [run("ours-lvis", folder / "lvis") for _ in range(options.pairs)]
    seconds = statistics.median(entry["seconds"] for entry in runs)
    reading = statistics.median(entry["total"] for entry in runs) - seconds
    spread = f"{min(r['seconds'] for r in runs):.2f} to {max(r['seconds'] for r in runs):.2f}"
    cpu, peak = (statistics.median(entry[key] for entry in runs) for key in ("cpu", "peak"))
    print(f"  evaluating: median {seconds:.2f} s ({spread}), processor time {cpu:.2f} s")
    print(f"  reading the files: {reading:.2f} s; peak memory of the process {peak:.0f} MB")
    part = World(images // PART, objects // PART, 1203, options.lvis_boxes // PART, federated=True)
    print(f"a part of it, for pycocotools (COCO's rules, 300 a class): {part}")
    ask(folder / "part", part, seed=2)
    sides = run_pairs(folder / "part", ("ours-lvis", "pycocotools-lvis"), options.pairs)
    federated = show("evaluating", sides, "seconds")
    show("peak memory of the process", sides, "peak", unit="MB")
    print(
        f"ratios: {faster:.1f} x faster than pycocotools ({whole:.1f} x with reading the files), "
        f"1/{memory:.1f} of its memory; LVIS-like {seconds:.2f} s, {federated:.1f} x faster"
    )
    good = faster >= FASTER and memory >= LEANER and seconds <= LVIS_SECONDS
    return 0 if good else 1


def ask(folder: Path, world: World, seed: int) -> None:
    """Make a world in another process, so that this one stays small."""
    sizes = (world.images, world.objects, world.classes, world.boxes, int(world.federated), seed)
    words = [sys.executable, __file__, "--make", *map(str, sizes), str(folder)]
    start = time.perf_counter()
    subprocess.run(words, check=True)
    print(f"  made in {time.perf_counter() - start:.1f} s", flush=True)


def run_pairs(folder: Path, sides: tuple[str, str], count: int) -> list[tuple[Any, Any]]:
    """Run both sides in turn, the first one first every other time."""
    pairs = []
    for turn in range(count):
        order = sides if turn % 2 == 0 else sides[::-1]
        found = {side: run(side, folder) for side in order}
        pairs.append((found[sides[0]], found[sides[1]]))
    return pairs


def run(side: str, folder: Path) -> dict[str, Any]:
    """Run a side in a fresh process and say how long it took."""
    words = [sys.executable, __file__, "--side", side, str(folder)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"  {side}: {found['seconds']:.2f} s, with reading {found['total']:.2f} s, "
        f"{found['peak']:.0f} MB",
        flush=True,
    )
    return found


def show(what: str, pairs: list[tuple[Any, Any]], key: str, unit: str = "s") -> float:
    """Print the medians and the ratio of the pairs with its spread; return its median."""
    ours, theirs = ([pair[side][key] for pair in pairs] for side in (0, 1))
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    print(
        f"  {what}: {statistics.median(ours):.2f} and {statistics.median(theirs):.2f} {unit}, "
        f"ratio median {ratio:.1f}, {min(ratios):.1f} to {max(ratios):.1f} in {len(pairs)} pairs"
    )
    return ratio


def make(world: World, seed: int, folder: Path) -> None:
    """Write ``truth.json`` and ``results.json``: boxes near objects, six in ten of their class."""
    import numpy as np

    rng = np.random.default_rng(seed)
    count, boxes = world.objects, world.boxes
    image = np.sort(rng.integers(1, world.images + 1, count))
    common = 1 / np.arange(1, world.classes + 1)  # few classes have most objects
    label = rng.choice(world.classes, count, p=common / common.sum()) + 1
    sides = np.concatenate([rng.random((count, 2)) * 400, 10 + rng.random((count, 2)) * 200], 1)
    crowd = (rng.random(count) < 0.01) & (not world.federated)
    source = np.sort(rng.integers(0, count, boxes))
    near = (sides[source] * (1 + 0.1 * rng.standard_normal((boxes, 4)))).clip(1)
    right = rng.random(boxes) < 0.6
    guess = np.where(right, label[source], rng.integers(1, world.classes + 1, boxes))
    score = rng.random(boxes).round(4)  # ties, as real ones have
    columns = zip(
        image[source].tolist(), guess.tolist(), near.round(2).tolist(), score.tolist(), strict=True
    )
    results = [
        {"image_id": i, "category_id": c, "bbox": box, "score": s} for i, c, box, s in columns
    ]
    objects = [
        {"id": n, "image_id": i, "category_id": c, "bbox": box, "area": 0.6 * box[2] * box[3]}
        | {"iscrowd": int(is_crowd)}
        for n, (i, c, box, is_crowd) in enumerate(
            zip(image.tolist(), label.tolist(), sides.round(2).tolist(), crowd, strict=True), 1
        )
    ]
    negatives = rng.integers(1, world.classes + 1, (world.images, 8)).tolist()
    truth = {
        "images": [
            {"id": i, "width": 640, "height": 480}
            | {"neg_category_ids": sorted(set(no)), "not_exhaustive_category_ids": []}
            for i, no in enumerate(negatives, 1)
        ],
        "annotations": objects,
        "categories": [
            {
                "id": c,
                "name": f"class {c}",
                "frequency": "fcr"[min((c - 1) * 3 // world.classes, 2)],
            }
            for c in range(1, world.classes + 1)
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, record in (("truth", truth), ("results", results)):
        (folder / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")


def ours(folder: Path) -> dict[str, Any]:
    """Evaluate with ovdet."""
    return _ours(folder, federated=False)


def ours_lvis(folder: Path) -> dict[str, Any]:
    """Evaluate with ovdet, by LVIS's rules."""
    return _ours(folder, federated=True)


def _ours(folder: Path, *, federated: bool) -> dict[str, Any]:
    sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that was not installed
    from ovdet.evaluation import evaluate_coco, evaluate_lvis, read_truth
    from ovdet.structures import read_json

    start = _now()
    truth = read_truth(folder / "truth.json")
    entries = read_json(folder / "results.json")
    read = _now()
    figures = (evaluate_lvis if federated else evaluate_coco)(truth, entries)
    end = _now()
    names = ["AP"] if federated else MEASURES
    return _record(start, read, end, [figures[f"all/{name}"] for name in names])


def pycocotools(folder: Path) -> dict[str, Any]:
    """Evaluate with pycocotools."""
    return _pycocotools(folder, federated=False)


def pycocotools_lvis(folder: Path) -> dict[str, Any]:
    """Evaluate with pycocotools what it can of LVIS: results of unchecked classes left out."""
    return _pycocotools(folder, federated=True)


def _pycocotools(folder: Path, *, federated: bool) -> dict[str, Any]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        start = _now()
        truth = COCO(str(folder / "truth.json"))
        entries = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        read = _now()
        if federated:
            checked = {i["id"]: set(i["neg_category_ids"]) for i in truth.dataset["images"]}
            for annotation in truth.dataset["annotations"]:
                checked[annotation["image_id"]].add(annotation["category_id"])
            entries = [e for e in entries if e["category_id"] in checked[e["image_id"]]]
        evaluator = COCOeval(truth, truth.loadRes(entries), "bbox")
        if federated:
            evaluator.params.maxDets = [300]
        evaluator.evaluate()
        evaluator.accumulate()
        if not federated:
            evaluator.summarize()
        end = _now()
    return _record(start, read, end, [] if federated else evaluator.stats.tolist())


def _now() -> tuple[float, float]:
    """Return the wall's and the processor's time, s."""
    return time.perf_counter(), time.process_time()


def _record(
    start: tuple[float, float],
    read: tuple[float, float],
    end: tuple[float, float],
    figures: list[float],
) -> dict[str, Any]:
    return {
        "seconds": end[0] - read[0],
        "total": end[0] - start[0],
        "cpu": end[1] - read[1],
        "peak": _peak(),
        "figures": figures,
    }


def _peak() -> float:
    """Return the most memory this process held, MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # of this program alone, unlike what getrusage says after a fork
        line = next(li for li in status.read_text().splitlines() if li.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


SIDES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ours": ours,
    "ours-lvis": ours_lvis,
    "pycocotools": pycocotools,
    "pycocotools-lvis": pycocotools_lvis,
}


if __name__ == "__main__":
    sys.exit(main())
