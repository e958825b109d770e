import multiprocessing
import os
import sys
from pathlib import Path

import pytest
from quick_labels import Broken, Make, paint, task_of

from ovdet.labelling import begin, export, label
from ovdet.labelling.cluster import label_on_ray
from ovdet.labelling.formats import writers

TESTS = Path(__file__).parents[1]


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    plan = begin(tmp_path / "out", task_of(paint(tmp_path / "in", 1)), threads=1)
    with pytest.raises(ImportError, match=r'pip install "ovdet\[ray\]"'):
        next(label_on_ray(plan, [(0,)], Make(), 1, "local"))


@pytest.mark.slow
def test_two_actors_of_ray_s_write_what_one_worker_here_writes(tmp_path, monkeypatch):
    pytest.importorskip("ray.data", reason="the extra ray is not installed")
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}{os.pathsep}{TESTS.parent}")  # of Ray's processes
    folder = paint(tmp_path / "in", 21)
    (folder / "broken.png").write_bytes(b"no picture")
    task = task_of(folder, batch=2)
    here = label(begin(tmp_path / "here", task, threads=1), Make())
    plan = begin(tmp_path / "ray", task, threads=1)
    source = label_on_ray(plan, [(0, 1), (8, 9)], Make(), 2, "local")
    assert sum(len(records) for records in source) == 4  # and the cluster is gone again
    there = label(plan, Make(), workers=2, ray="local")
    for parts in (here, there):
        export(parts, writers(["coco"]))
    for name in ("coco.json", "bad.txt", "summary.html"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert not multiprocessing.active_children()
    with pytest.raises(ChildProcessError, match="no model for worker 0"):
        list(label_on_ray(plan, [(0,)], Broken(), 1, "local"))
