import pytest
from quick_labels import paint, store, task_of

from ovdet.labelling import Parts, begin
from ovdet.labelling.parts import PartWriter


def good(index, score=0.5):
    return {
        "index": index,
        "size": [16, 24],
        "objects": [{"category_id": 1, "bbox": [1, 2, 3, 4], "score": score}],
    }


@pytest.fixture
def plan(tmp_path):
    return begin(tmp_path / "out", task_of(paint(tmp_path / "in", 5), batch=2), threads=1)


def write(plan, *records):
    with PartWriter(plan) as writer:
        writer.add(records)
    return Parts(plan)


def test_nothing_is_done_at_first(plan):
    parts = Parts(plan)
    assert (len(parts), list(parts), list(parts.bad())) == (0, [], [])
    assert parts.todo() == [(0, 1), (2, 3), (4,)]


def test_pictures_come_in_the_plan_s_order(plan):
    write(plan, good(4), good(1))
    parts = write(plan, good(0), good(3), good(2))
    assert [picture.index for picture in parts] == [0, 1, 2, 3, 4]
    assert [picture.name for picture in parts] == [f"00{i}.png" for i in range(5)]
    assert len(plan.parts) == 2
    assert parts.todo() == []


def test_a_torn_line_is_nobody_s_and_nothing_is_written_behind_it(plan):
    write(plan, good(0), good(1))
    whole = plan.parts[0].read_bytes()
    for cut in range(len(whole) + 1):
        plan.parts[0].write_bytes(whole[:cut])
        ends = [len(whole) // 2, len(whole)]
        assert len(Parts(plan)) == sum(cut >= end for end in ends)
    plan.parts[0].write_bytes(whole[:-3])
    parts = write(plan, good(1), good(2))
    assert [picture.index for picture in parts] == [0, 1, 2]
    assert parts.todo() == [(2, 3), (4,)]


def test_zeros_that_a_power_cut_leaves_are_no_line(plan):
    write(plan, good(0))
    whole = plan.parts[0].read_bytes()
    plan.parts[0].write_bytes(b"\0" * 40 + b"\n" + b"[1]\n" + whole)
    assert [picture.index for picture in Parts(plan)] == [0]


def test_a_picture_done_twice_counts_once(plan):
    write(plan, good(0, 0.25))
    parts = write(plan, good(0, 0.75), good(1))
    assert [picture.objects[0]["score"] for picture in parts] == [0.25, 0.5]


def test_bad_ones_are_tried_again_alone_and_may_become_good(plan):
    parts = write(plan, good(0), {"index": 1, "bad": "why"}, {"index": 4, "bad": "other"})
    assert list(parts.bad()) == [("001.png", "why"), ("004.png", "other")]
    assert parts.todo() == [(1,), (2, 3), (4,)]
    parts = write(plan, good(1), {"index": 0, "bad": "late"})
    assert [picture.index for picture in parts] == [0, 1]
    assert list(parts.bad()) == [("004.png", "other")]


def test_parts_of_another_beginning_do_not_count(plan):
    write(plan, good(0))
    again = begin(plan.out, plan.task, threads=1, restart=True)
    plan.parts or (plan.out / "parts").mkdir(exist_ok=True)
    (plan.out / "parts" / f"{plan.id}-00007.jsonl").write_text("{}")
    assert len(write(again, good(3))) == 1


def test_store_of_the_tests_is_a_run(tmp_path):
    parts = store(tmp_path / "out", task_of(paint(tmp_path / "in", 2)), [good(1)])
    assert [picture.index for picture in parts] == [1]
