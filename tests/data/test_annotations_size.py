"""COCO's training file in bounded memory: `pytest -m slow -s` prints the figures."""

import json
import subprocess
import sys

import pytest
from full_size import write_instances

from ovdet.data.convert.coco_ov import COUNTS

BYTES = 3 * 2**29  # 1.5 GiB
READ = """
import json, sys, time
from pathlib import Path
from ovdet.data import read_annotations
start = time.perf_counter()
record, classes = read_annotations(Path(sys.argv[1]), Path(sys.argv[2]))
seconds = time.perf_counter() - start
peak = next(li for li in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in li)
facts = {"boxes": len(record.ids), "images": len(record), "seconds": seconds}
print(json.dumps(facts | {"bytes": int(peak.split()[1]) * 1024, "first": record.segmentation(0)}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc for the memory")
def test_the_full_size_is_read_in_bounded_memory(tmp_path):
    path, images = tmp_path / "instances.json", tmp_path / "images"
    write_instances(path, COUNTS["train"], 0)
    images.mkdir()
    for number in range(1, COUNTS["train"]["images"] + 1):
        (images / f"{number:012d}.jpg").touch()
    command = [sys.executable, "-c", READ, str(path), str(images)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    print(f"\n{found['seconds']:.1f} s, {found['bytes'] / 2**30:.2f} GiB")  # noqa: T201
    assert (found["boxes"], found["images"]) == (860_001, 118_287)
    assert len(found["first"][0]) >= 6
    assert found["bytes"] < BYTES
