"""COCO at full size, in bounded time and memory: `pytest -m slow -s` prints the figures."""

import json
import resource
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest

from ovdet.data.convert.coco_ov import COUNTS
from ovdet.data.splits import vocabulary

TOOL = Path(__file__).parents[2] / "tools" / "convert.py"
SECONDS, BYTES = 60, 3 * 2**30
POINTS = 27  # of a polygon, so that the training file has the half gigabyte of the true one


def write_instances(path, counts, seed):
    """Write a file of COCO's own layout and key order, made of random boxes and polygons."""
    rng = np.random.default_rng(seed)
    classes = vocabulary("coco")
    polygons = [
        json.dumps([rng.uniform(0, 640, 2 * max(3, round(n))).round(2).tolist()])
        for n in rng.exponential(POINTS, 500)
    ]
    numbers = rng.choice(np.array(classes.category_ids), 1 << 14).tolist()
    images = ", ".join(
        json.dumps(
            {
                "license": 3,
                "file_name": f"{i:012d}.jpg",
                "coco_url": f"http://images.cocodataset.org/train2017/{i:012d}.jpg",
                "height": 480,
                "width": 640,
                "date_captured": "2013-11-14 11:18:45",
                "flickr_url": "http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg",
                "id": i,
            }
        )
        for i in range(1, counts["images"] + 1)
    )
    names = zip(classes.category_ids, classes.names, strict=True)
    categories = json.dumps([{"supercategory": "x", "id": i, "name": name} for i, name in names])
    with path.open("w") as file:
        file.write('{"info": {}, "licenses": [], "images": [' + images + '], "annotations": [')
        total = counts["annotations"]
        for i, polygon, number in islice(zip(range(total), cycle(polygons), cycle(numbers)), total):
            file.write(
                f'{", " if i else ""}{{"segmentation": {polygon}, "area": 702.1057499999998, '
                f'"iscrowd": 0, "image_id": {i % counts["images"] + 1}, '
                f'"bbox": [473.07, 395.93, 38.65, 28.67], "category_id": {number}, "id": {i + 1}}}'
            )
        file.write('], "categories": ' + categories + "}")


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
        str(TOOL),
        "coco-ov",
        str(tmp_path),
        str(tmp_path / "out"),
        "--check",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"\n{size / 2**20:.0f} MiB: {seconds:.1f} s, {peak / 2**30:.2f} GiB\n{done.stdout}")  # noqa: T201
    assert "118,287 images" in done.stdout.splitlines()[0]
    assert not (tmp_path / "out").exists()
    assert seconds < SECONDS
    assert peak < BYTES
