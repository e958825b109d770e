import multiprocessing

import pytest
from PIL import Image
from quick_labels import KILLER, Broken, Make, paint, task_of

from ovdet.labelling import Parts, begin
from ovdet.labelling.workers import label_here
from ovdet.structures import InputError


def plan_of(tmp_path, count=5, **options):
    return begin(tmp_path / "out", task_of(paint(tmp_path / "in", count), **options), threads=1)


def run(plan, make=Make(), count=1):  # noqa: B008 - frozen
    said = []
    blocks = Parts(plan).todo()
    records = [r for records in label_here(plan, blocks, make, count, said.append) for r in records]
    assert not multiprocessing.active_children()
    return sorted(records, key=lambda record: record["index"]), said


def test_two_workers_do_each_picture_once(tmp_path):
    records, said = run(plan_of(tmp_path, 7, batch=2), count=2)
    assert [record["index"] for record in records] == list(range(7))
    assert said == []


def test_a_picture_that_kills_workers_is_bad_and_the_rest_is_done(tmp_path):
    plan = plan_of(tmp_path, 3)
    Image.new("RGB", (8, 8), (KILLER, 0, 0)).save(plan.task.path(1))
    records, said = run(plan)
    bad = "2 workers ended while they labelled it"
    assert [record.get("bad") for record in records] == [None, bad, None]
    assert said == ["a worker ended (signal 9); what it had in hand goes to another"] * 2


@pytest.mark.slow
def test_a_picture_that_kills_workers_does_not_spoil_its_batch(tmp_path):
    plan = plan_of(tmp_path, 5, batch=2)
    Image.new("RGB", (8, 8), (KILLER, 0, 0)).save(plan.task.path(2))
    records, said = run(plan)
    assert [record["index"] for record in records] == list(range(5))
    assert [record.get("bad") for record in records] == [
        None,
        None,
        "2 workers ended while they labelled it",
        None,
        None,
    ]
    told = "a worker ended (signal 9); what it had in hand goes to another"
    assert said == [told] * 4  # twice with its neighbour, twice alone


@pytest.mark.slow
def test_workers_that_end_again_and_again_end_the_run(tmp_path):
    plan = plan_of(tmp_path, 4)
    for index in range(4):
        Image.new("RGB", (8, 8), (KILLER, 0, 0)).save(plan.task.path(index))
    with pytest.raises(ChildProcessError, match=r"5 workers ended .*signal 9.*the same command"):
        run(plan)
    assert not multiprocessing.active_children()


def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no model for worker 0"):
        run(plan_of(tmp_path), Broken())


def test_a_worker_that_ends_while_it_loads_is_told(tmp_path):
    with pytest.raises(ChildProcessError, match="before its model was loaded: signal 9"):
        run(plan_of(tmp_path), Broken(end=True))


def test_closing_ends_the_workers(tmp_path):
    plan = plan_of(tmp_path)
    source = label_here(plan, Parts(plan).todo(), Make(), 1, str)
    next(source)
    source.close()
    assert not multiprocessing.active_children()
