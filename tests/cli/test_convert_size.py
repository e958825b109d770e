"""COCO at full size, in bounded time and memory: `pytest -m slow -s` prints the figures."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from full_size import write_instances

from ovdet.data.convert.coco_ov import COUNTS

ROOT = Path(__file__).parents[2]
SECONDS, BYTES = 60, 3 * 2**30


@pytest.mark.slow
def test_the_full_size_is_checked_in_time_and_memory(tmp_path):
    folder = tmp_path / "annotations"
    folder.mkdir()
    for seed, (split, counts) in enumerate(COUNTS.items()):
        write_instances(folder / f"instances_{split}2017.json", counts, seed)
    size = (folder / "instances_train2017.json").stat().st_size
    before = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "ovdet",
        "convert",
        "coco-ov",
        str(tmp_path),
        str(tmp_path / "out"),
        "--check",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - before
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # this process had no other
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
    told = f"{size / 2**20:.0f} MiB: {seconds:.1f} s ({cpu:.1f} s of processor)"
    print(f"\n{told}, {peak / 2**30:.2f} GiB\n{done.stdout}")  # noqa: T201
    assert "118,287 images" in done.stdout.splitlines()[0]
    assert not (tmp_path / "out").exists()
    assert seconds < SECONDS
    assert peak < BYTES
