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


@pytest.fixture
def ray_finds_the_tests(monkeypatch):
    pytest.importorskip("ray.data", reason="the extra ray is not installed")
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}{os.pathsep}{TESTS.parent}")  # of Ray's processes


@pytest.mark.slow
@pytest.mark.usefixtures("ray_finds_the_tests")
def test_two_actors_of_ray_s_go_on_and_write_what_one_worker_here_writes(tmp_path):
    folder = paint(tmp_path / "in", 21)
    (folder / "broken.png").write_bytes(b"no picture")
    task = task_of(folder, batch=2)
    here = label(begin(tmp_path / "here", task, threads=1), Make())
    plan = begin(tmp_path / "ray", task, threads=1)
    lines = here.plan.parts[0].read_bytes().splitlines(keepends=True)
    (plan.out / "parts").mkdir()
    left = b"".join(lines[3:8]) + lines[9][:20]  # blocks done, one half done, a torn line
    (plan.out / "parts" / f"{plan.id}-00001.jsonl").write_bytes(left)
    there = label(plan, Make(), workers=2, ray="local")
    assert len(plan.parts) == 2
    for parts in (here, there):
        export(parts, writers(["coco"]))
    for name in ("coco.json", "bad.txt", "summary.html"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert not multiprocessing.active_children()


@pytest.mark.slow
@pytest.mark.usefixtures("ray_finds_the_tests")
def test_a_model_that_an_actor_cannot_load_is_one_line(tmp_path):
    plan = begin(tmp_path / "out", task_of(paint(tmp_path / "in", 1)), threads=1)
    with pytest.raises(ChildProcessError, match=r"^Ray: no model for worker 0; what is done"):
        list(label_on_ray(plan, [(0,)], Broken(), 1, "local"))
