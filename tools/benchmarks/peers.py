"""Time detection beside transformers on the same random weights, each side in its own process.

python tools/benchmarks/peers.py [--only owl-pipeline ...] [--repeats 5] [--quick]

Both processes stay up and are asked in turn; what they answered last is compared. Text is cached on
our side, as it is from the second picture on.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that was not installed

sys.path.insert(0, str(Path(__file__).parent))  # its siblings, however it is run

from peers_folders import read_threshold, write_grounding, write_owl, write_threshold
from vocabulary import made_up_names

HEIGHT, WIDTH = 480, 640  # of the picture, px
NEAR = 1e-3  # how far scores may differ, and boxes in parts of the picture's width
Row = tuple[float, list[float], str]
Asked = tuple[Callable[[], Any], Callable[[Any], list[Row]]]


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        kind: Of the model: owl or grounding.
        names: How many.
        rival: pipeline (transformers', one label at a time) or single (its model, all at once).
        goal: Least times that ours must be faster.
    """

    kind: str
    names: int
    rival: str
    goal: float

    def __str__(self) -> str:
        model = {"owl": "OWL-ViT B/32 at 768 px", "grounding": "Grounding DINO tiny at 800 px"}
        rival = {"pipeline": "pipeline", "single": "model with all names at once"}
        return f"{model[self.kind]}, {self.names:,} names, beside transformers' {rival[self.rival]}"


CASES = {
    "owl-pipeline": Case("owl", 80, "pipeline", 60.0),
    "owl-single": Case("owl", 80, "single", 1.5),
    "owl-long": Case("owl", 1203, "single", 8.0),
    "grounding": Case("grounding", 80, "single", 1.0),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0 where all goals are met, 1 where not or answers differ."""
    parser = argparse.ArgumentParser(prog="peers.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--quick", action="store_true", help="small models, no goals")
    parser.add_argument("--side", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        side, kind, count, folder = options.side
        return serve(SIDES[side, kind], Path(folder), int(count))
    if options.make:
        kind, counts, folder = options.make
        make(kind, [int(n) for n in counts.split(",")], Path(folder), quick=options.quick)
        return 0
    cases = {name: CASES[name] for name in options.only}
    if options.quick:
        cases = {n: replace(c, names=6 if c.names == 80 else 30) for n, c in cases.items()}
    with tempfile.TemporaryDirectory() as folder:
        return measure(cases, Path(folder), max(1, options.repeats), quick=options.quick)


def measure(cases: dict[str, Case], folder: Path, repeats: int, *, quick: bool) -> int:
    """Make the models, then run each case and print its ratio."""
    for kind in dict.fromkeys(case.kind for case in cases.values()):
        counts = ",".join(str(c.names) for c in cases.values() if c.kind == kind)
        words = [sys.executable, __file__, "--make", kind, counts, str(folder / kind)]
        subprocess.run([*words, *(["--quick"] if quick else [])], check=True)
    print(f"a picture of {HEIGHT} x {WIDTH} px, weights random" + (", small" if quick else ""))
    good = True
    for name, case in cases.items():
        print(f"{name}: {case}", flush=True)
        with Side("ours", case, folder) as ours, Side(case.rival, case, folder) as theirs:
            ratio = in_turn(ours, theirs, repeats)
            whole = 1 / WIDTH if case.rival == "pipeline" else 0.0  # it cuts to whole px
            fault = differ(ours.answer(), theirs.answer(), NEAR + whole)
        if fault:
            print(f"peers.py: {name}: {fault}", file=sys.stderr)
            good = False
        if not quick:
            print(f"  goal: at least {case.goal} x")
            good = good and ratio >= case.goal
    return 0 if good else 1


class Side:
    """A contender in a fresh process, asked by a line and answering with one."""

    def __init__(self, side: str, case: Case, folder: Path) -> None:
        self.name = "ours" if side == "ours" else "transformers"
        facts = (side, case.kind, str(case.names), str(folder / case.kind))
        words = [sys.executable, __file__, "--side", *facts]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()  # no more questions: it ends

    def run(self) -> dict[str, float]:
        """Detect once."""
        found: dict[str, float] = self._ask("run")
        return found

    def answer(self) -> list[Row]:
        """Return what was found last."""
        found: list[Row] = self._ask("answer")
        return found

    def _ask(self, what: str) -> Any:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("a side needs its pipes")
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended before it answered")
        return json.loads(line)


def in_turn(ours: Side, theirs: Side, repeats: int) -> float:
    """Ask both in turn, print what they took, and return the median ratio."""
    sides = (ours, theirs)
    first = [side.run() for side in sides]  # loading done, text encoded once
    found: dict[str, list[dict[str, float]]] = {side.name: [] for side in sides}
    for turn in range(repeats):
        for side in sides[:: 1 if turn % 2 else -1]:  # drift hits both alike
            found[side.name].append(side.run())
    for side, once in zip(sides, first, strict=True):
        runs = found[side.name]
        seconds = [run["seconds"] for run in runs]
        print(
            f"  {side.name}: median {1000 * statistics.median(seconds):.0f} ms "
            f"({1000 * min(seconds):.0f} to {1000 * max(seconds):.0f}), "
            f"first call {1000 * once['seconds']:.0f} ms, peak memory {runs[-1]['peak']:.0f} MB"
        )
    pairs = list(zip(found[ours.name], found[theirs.name], strict=True))
    median = 0.0
    for what, key in (("time", "seconds"), ("processor time", "cpu")):
        ratios = [other[key] / mine[key] for mine, other in pairs]
        ratio = statistics.median(ratios)
        median = median or ratio
        print(
            f"  ratio of {what}: median {ratio:.2f}, {min(ratios):.2f} to {max(ratios):.2f} "
            f"in {repeats} pairs"
        )
    return median


def differ(ours: list[Row], theirs: list[Row], near: float = NEAR) -> str:
    """Say how two answers differ: rows of a score, a box in parts of the picture, and a name.

    A row whose score is as good as the threshold may be on one side alone. Sides of boxes may
    differ by ``near``.
    """
    if not ours or not theirs:
        return f"found {len(ours)} and {len(theirs)} boxes: nothing to compare"
    least = min(row[0] for row in (*ours, *theirs)) + NEAR
    for mine, others in ((ours, theirs), (theirs, ours)):
        clear = [row for row in mine if row[0] > least]
        lost = [row for row in clear if not any(_same(row, other, near) for other in others)]
        if lost:
            return f"{len(lost)} of {len(mine)} boxes are not those of the other: {lost[0]}"
    print(f"  the same {len(ours)} and {len(theirs)} boxes, names and scores, to {near:.4f}")
    return ""


def _same(row: Row, other: Row, near: float) -> bool:
    alike = abs(row[0] - other[0]) <= NEAR and row[2] == other[2]
    return alike and all(abs(a - b) <= near for a, b in zip(row[1], other[1], strict=True))


def serve(side: Callable[[Path, list[str], float], Asked], folder: Path, count: int) -> int:
    """Answer the lines of standard input until it ends."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not stand among the answers
    ask, rows = side(folder, names_of(count), read_threshold(folder, count))
    last: Any = None
    for line in sys.stdin:
        if line.strip() == "run":
            start, busy = time.perf_counter(), time.process_time()
            last = ask()
            took = time.perf_counter() - start, time.process_time() - busy
            said: Any = {"seconds": took[0], "cpu": took[1], "peak": peak()}
        else:
            said = rows(last)
        print(json.dumps(said), file=out, flush=True)
    return 0


def names_of(count: int) -> list[str]:
    """Return distinct names, sorted, so that both sides write them in the same order."""
    return sorted(made_up_names(count))


def picture() -> Any:
    """Return the picture [H, W, 3], uint8."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def peak() -> float:
    """Return the most memory this process held, MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # of this program alone, unlike what getrusage says after a fork
        line = next(li for li in status.read_text().splitlines() if li.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def make(kind: str, counts: list[int], folder: Path, *, quick: bool) -> None:
    """Write a model, and for each number of names a threshold that leaves some boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "owl":
        write_owl(folder, quick=quick)
    else:
        write_grounding(folder, names_of(max(counts)), quick=quick)
    for count in dict.fromkeys(counts):
        ask, _ = SIDES["single", kind](folder, names_of(count), 0.5)
        _, scores = ask()
        write_threshold(folder, count, scores)


def ours(folder: Path, names: list[str], threshold: float) -> Asked:
    """Detect with ovdet."""
    import ovdet

    model, image = ovdet.load(folder, device="cpu", cache_dir=folder / "cache"), picture()

    def rows(result: Any) -> list[Row]:
        found = zip(result.scores, result.boxes, result.labels, strict=True)
        return [_row(float(score), box.tolist(), label) for score, box, label in found]

    return lambda: model.detect(image, names, threshold=threshold, top_k=100), rows


def owl_pipeline(folder: Path, names: list[str], threshold: float) -> Asked:
    """Detect with transformers' pipeline, which asks its model once a label."""
    import transformers
    from PIL import Image

    pipe = transformers.pipeline("zero-shot-object-detection", model=str(folder), device="cpu")
    image = Image.fromarray(picture())

    def rows(result: Any) -> list[Row]:
        sides = ("xmin", "ymin", "xmax", "ymax")
        return _inside(
            (found["score"], [found["box"][side] for side in sides], found["label"])
            for found in result
        )

    return lambda: pipe(image, candidate_labels=names, threshold=threshold), rows


def owl_single(folder: Path, names: list[str], threshold: float) -> Asked:
    """Detect with transformers' model and processor, all names in one pass."""
    import torch
    import transformers

    model = transformers.OwlViTForObjectDetection.from_pretrained(folder).eval()
    processor = transformers.OwlViTProcessor.from_pretrained(folder)
    image = picture()

    @torch.no_grad()
    def ask() -> Any:
        inputs = processor(text=[names], images=image, return_tensors="pt")
        outputs = model(**inputs)
        size = torch.tensor([[HEIGHT, WIDTH]])
        processor.post_process_grounded_object_detection(outputs, threshold, size)
        return outputs.pred_boxes[0], outputs.logits[0].sigmoid()

    return ask, lambda found: _pairs(*found, names, threshold)


def grounding_single(folder: Path, names: list[str], threshold: float) -> Asked:
    """Detect with transformers' model and processor, all names in one text."""
    import torch
    import transformers

    model = transformers.GroundingDinoForObjectDetection.from_pretrained(folder).eval()
    processor = transformers.GroundingDinoProcessor.from_pretrained(folder)
    image = picture()

    @torch.no_grad()
    def ask() -> Any:
        inputs = processor(images=image, text=[names], return_tensors="pt")
        outputs = model(**inputs)
        size = torch.tensor([[HEIGHT, WIDTH]])
        processor.post_process_grounded_object_detection(
            outputs, threshold=threshold, text_threshold=threshold, target_sizes=size
        )
        return outputs.pred_boxes[0], _by_name(outputs, processor.tokenizer, names)

    return ask, lambda found: _pairs(*found, names, threshold)


def _by_name(outputs: Any, tokenizer: Any, names: list[str]) -> Any:
    """Return the score of each name's best token, [Q, C]; names stand in a text, a stop between."""
    import torch

    tokens, columns, place = outputs.logits[0].sigmoid(), [], 1
    for own in tokenizer(names, add_special_tokens=False)["input_ids"]:
        columns.append(tokens[:, place : place + len(own)].amax(dim=1))
        place += len(own) + 1
    return torch.stack(columns, dim=1)


def _pairs(boxes: Any, scores: Any, names: list[str], threshold: float) -> list[Row]:
    """Return the pairs of a place and a name above the threshold."""
    from ovdet.ops import from_centre_side

    scale = boxes.new_tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
    corners = from_centre_side(boxes) * scale
    pairs = (scores > threshold).nonzero().tolist()
    return _inside((scores[i, j].item(), corners[i].tolist(), names[j]) for i, j in pairs)


def _inside(found: Any) -> list[Row]:
    """Return rows clipped to the picture, as ours are, without those outside of it."""
    rows = []
    for score, (x1, y1, x2, y2), label in found:
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, WIDTH), min(y2, HEIGHT)
        if left < right and top < bottom:
            rows.append(_row(score, [left, top, right, bottom], label))
    return rows


def _row(score: float, box: list[float], label: str) -> Row:
    return score, [side / WIDTH for side in box], label


SIDES: dict[tuple[str, str], Callable[[Path, list[str], float], Asked]] = {
    ("ours", "owl"): ours,
    ("ours", "grounding"): ours,
    ("pipeline", "owl"): owl_pipeline,
    ("single", "owl"): owl_single,
    ("single", "grounding"): grounding_single,
}


if __name__ == "__main__":
    sys.exit(main())
