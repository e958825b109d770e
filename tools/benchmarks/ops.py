"""Time the ops beside what does the same otherwise, in turn, and check what was timed.

python tools/benchmarks/ops.py [--device cpu|cuda] [--op NAME] [--repeats 7] [--json FILE]
"""

import argparse
import contextlib
import ctypes
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

FOLDER = Path(__file__).with_name("ops")
sys.path.insert(0, str(FOLDER))

if TYPE_CHECKING:
    from case import Case

_COPIED = 2**28  # bytes of the copy that measures bandwidth: larger than caches are
_HEAD = "| op | shape | way | ms | times ours (spread) | peak MiB | of copy bandwidth | output |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0 where all outputs agree, 1 where one does not."""
    parser = argparse.ArgumentParser(prog="ops.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--op", action="append", metavar="NAME", help="a file of ops/; all if none")
    parser.add_argument("--repeats", type=int, default=7, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    known = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "case")
    if unknown := set(options.op or ()) - set(known):
        parser.error(f"--op must be one of {known}, got {sorted(unknown)}")
    if options.repeats < 1:
        parser.error(f"--repeats must be at least 1, got {options.repeats}")

    import torch

    bandwidth = measure_bandwidth(options.device)
    place = "" if options.device == "cpu" else f" ({torch.cuda.get_device_name()})"
    print(f"{options.device}{place}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"load {_load()}, copies {bandwidth / 1e9:.1f} GB/s, {options.repeats} repeats\n")
    print(f"{_HEAD}\n|{' --- |' * (_HEAD.count('|') - 1)}")
    records = []
    for case in all_cases(options.op or known, options.device):
        record = measure(case, options.device, options.repeats, bandwidth)
        records.append(record)
        for row in rows(record):
            print(row, flush=True)
    if options.json is not None:
        facts = {"device": options.device + place, "load": _load(), "bandwidth": bandwidth}
        options.json.write_text(json.dumps(facts | {"cases": records}, indent=1), encoding="utf-8")
    return int(any(way["differs"] for record in records for way in record["ways"].values()))


def all_cases(names: Sequence[str], device: str) -> Iterator["Case"]:
    """Yield the cases of some files, made one by one."""
    for name in names:
        yield from importlib.import_module(name).cases(device)


def measure(case: "Case", device: str, repeats: int, bandwidth: float) -> dict:
    """Return what one case takes: for each way seconds, peak memory and what differs."""
    ways = {"ours": case.ours, **case.others}
    differs, peaks = {}, {}
    expected = case.ours()
    for name, way in ways.items():
        found = way()  # the first run warms up, too
        differs[name] = None if name == "ours" else case.agree(expected, found)
        del found
        peaks[name] = peak_memory(way, device)
    del expected
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats):
        for name in list(ways)[:: 1 if turn % 2 else -1]:  # drift hits all alike
            times[name].append(seconds(ways[name], device))
    result = {
        name: {"seconds": times[name], "peak": peaks[name], "differs": differs[name]}
        for name in ways
    }
    share = case.moved / statistics.median(times["ours"]) / bandwidth
    return {"op": case.op, "shape": case.shape, "share": share, "ways": result}


def rows(record: dict) -> Iterator[str]:
    """Yield the table's rows of one case."""
    own = record["ways"]["ours"]["seconds"]
    for name, way in record["ways"].items():
        ratios = sorted(other / mine for other, mine in zip(way["seconds"], own, strict=True))
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        first = name == "ours"
        cells = [
            record["op"] if first else "",
            record["shape"] if first else "",
            name,
            f"{statistics.median(way['seconds']) * 1000:.2f}",
            "1" if first else spread,
            "-" if way["peak"] is None else f"{way['peak'] / 2**20:.1f}",
            f"{record['share']:.0%}" if first else "",
            "" if first else way["differs"] or "agrees",
        ]
        yield f"| {' | '.join(cells)} |"


def seconds(way: Callable[[], object], device: str) -> float:
    """Return how long one run takes, the device's own work included."""
    _wait(device)
    start = time.perf_counter()
    result = way()
    _wait(device)
    taken = time.perf_counter() - start
    del result
    return taken


def peak_memory(way: Callable[[], object], device: str) -> int | None:
    """Return the most bytes one run holds above what there was; None where nothing tells it."""
    import torch

    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        way()
        return torch.cuda.max_memory_allocated() - before
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before goes back, or it would not count
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
        before = _resident("VmRSS")
        way()
        return max(0, _resident("VmHWM") - before)
    except OSError:
        return None  # Linux alone tells it


def measure_bandwidth(device: str) -> float:
    """Return bytes read and written a second by a large copy, the best of five."""
    import torch

    source = torch.zeros(_COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED / min(seconds(lambda: target.copy_(source), device) for _ in range(5))


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _wait(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.synchronize()


def _load() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg()) if os.name == "posix" else "?"


if __name__ == "__main__":
    sys.exit(main())
