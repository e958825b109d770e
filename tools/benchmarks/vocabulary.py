"""Time detection with 80 and with 10,000 names, text cached, in paired repeats of one run.

python tools/benchmarks/vocabulary.py [--model NAME|CONFIG --checkpoint FILE] [--repeats 15]
"""

import argparse
import itertools
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ovdet.apis import Model

SMALL, LARGE = 80, 10_000
GOAL = 1.3  # the larger vocabulary may take this many times as long
CONSONANTS, VOWELS = "bdfgklmnprstvwyz", "aeiou"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0 where both bounds hold, 1 where not, 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog="vocabulary.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--model", metavar="NAME|CONFIG")
    parser.add_argument("--checkpoint", metavar="FILE")
    parser.add_argument("--image", type=Path, metavar="FILE", help="a picture (random noise)")
    parser.add_argument("--repeats", type=int, default=15, metavar="N")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    try:
        from ovdet.apis import load

        model = load(options.model, checkpoint=options.checkpoint, device=options.device)
        return measure(model, _picture(options.image), max(2, options.repeats))
    except (ValueError, OSError) as error:
        print(f"vocabulary.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def measure(model: "Model", image: Any, repeats: int) -> int:
    """Time both vocabularies in turn and print the ratio, the memory and the strings encoded."""
    small, large = made_up_names(SMALL), made_up_names(LARGE)
    bank = model.detector.text.bank
    for names in (small, large):
        start = time.perf_counter()
        model.detect(image, names)
        print(f"first call with {len(names):6,} names: {time.perf_counter() - start:.2f} s")
    encoded = bank.encoded
    pairs, cpu = [], []
    for turn in range(repeats):
        order = (small, large) if turn % 2 else (large, small)  # drift hits both alike
        times = {len(names): _time(model, image, names) for names in order}
        pairs.append((times[SMALL][0], times[LARGE][0]))
        cpu.append(times[LARGE][1] / times[SMALL][1])
    again = bank.encoded - encoded
    ratios = sorted(large / small for small, large in pairs)
    ratio = statistics.median(ratios)
    for count, seconds in zip((SMALL, LARGE), zip(*pairs, strict=True), strict=True):
        print(f"{count:6,} names: median {statistics.median(seconds) * 1000:.1f} ms a picture")
    low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
    print(f"ratio: median {ratio:.3f}, 10 to 90 %: {low:.3f} to {high:.3f}, {repeats} pairs")
    print(f"ratio of processor time: median {statistics.median(cpu):.3f}")
    print(f"strings encoded after the first calls: {again}")
    print(f"peak memory: {_peak():.0f} MB")
    return 0 if ratio < GOAL and again == 0 else 1


def made_up_names(count: int) -> list[str]:
    """Return distinct names, real words first, then words that nobody has seen."""
    from ovdet.data.stickers import NAMES

    names = list(NAMES)[: count // 2]
    syllables = [a + b for a in CONSONANTS for b in VOWELS]
    words = map("".join, itertools.product(syllables, repeat=3))  # 512,000 of them
    unknown = (word for word in words if word not in NAMES)
    return names + list(itertools.islice(unknown, count - len(names)))


def _time(model: "Model", image: Any, names: list[str]) -> tuple[float, float]:
    """Return the wall and the processor time of one detection, s."""
    start, busy = time.perf_counter(), time.process_time()
    model.detect(image, names)
    return time.perf_counter() - start, time.process_time() - busy


def _picture(path: Path | None) -> Any:
    import numpy as np

    from ovdet.apis import read_image

    if path is not None:
        return read_image(path)
    return np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)


def _peak() -> float:
    """Return the most memory this process held, MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    sys.exit(main())
