import json
from pathlib import Path

import pytest
from quick_labels import NAMES, paint, task_of

from ovdet.labelling import Question, Task, begin, locked
from ovdet.structures import InputError, Vocabulary


def test_a_task_is_sorted_and_below_one_folder(tmp_path):
    files = [tmp_path / "b" / "2.png", tmp_path / "a" / "1.png", tmp_path / "b" / "2.png"]
    task = Task.of(files, Question(Vocabulary.of(NAMES)), "m")
    assert task.root == tmp_path
    assert task.pictures == ("a/1.png", "b/2.png")
    assert task.path(1) == tmp_path / "b" / "2.png"
    assert Task.of(files[:1], task.question, "m").root == tmp_path / "b"


def test_without_pictures_there_is_no_task():
    with pytest.raises(InputError, match="no pictures to label"):
        Task.of([], Question(Vocabulary.of(NAMES)), "m")


def test_a_batch_has_a_picture():
    with pytest.raises(InputError, match="at least 1 picture, got 0"):
        Task.of([Path("a.png")], Question(Vocabulary.of(NAMES)), "m", batch=0)


def test_a_plan_is_found_again_with_its_threads(tmp_path):
    task = task_of(paint(tmp_path / "in", 2))
    first = begin(tmp_path / "out", task, threads=3)
    again = begin(tmp_path / "out", task, threads=1)
    assert (again.id, again.threads) == (first.id, 3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"threshold": 0.5}, "threshold the model's own, this run asks for 0.5"),
        ({"model": "other"}, "model 'quick', this run asks for 'other'"),
        ({"batch": 2}, "batch-size 1, this run asks for 2"),
    ],
)
def test_another_task_is_refused(tmp_path, change, told):
    folder = paint(tmp_path / "in", 2)
    begin(tmp_path / "out", task_of(folder), threads=1)
    with pytest.raises(InputError, match=told) as error:
        begin(tmp_path / "out", task_of(folder, **change), threads=1)
    assert "--restart" in str(error.value)
    assert "\n" not in str(error.value)


def test_other_pictures_names_and_weights_are_refused(tmp_path):
    folder, weights = paint(tmp_path / "in", 5), tmp_path / "w.pth"
    weights.write_bytes(b"1")
    task = task_of(folder, checkpoint=weights)
    begin(tmp_path / "out", task, threads=1)
    (folder / "004.png").unlink()
    with pytest.raises(InputError, match=r"pictures '000.png', .* \(5, sum .*\), .*\(4, sum"):
        begin(tmp_path / "out", task_of(folder, checkpoint=weights), threads=1)
    other = Task(task.root, task.pictures, Question(Vocabulary.of(["cat"])), "quick")
    with pytest.raises(InputError, match=r"classes 'cat', 'red car', '日本', this run .* 'cat'"):
        begin(tmp_path / "out", other, threads=1)
    paint(folder, 5)
    weights.write_bytes(b"12")
    with pytest.raises(InputError, match=r"checkpoint .*1 bytes.*2 bytes"):
        begin(tmp_path / "out", task_of(folder, checkpoint=weights), threads=1)


def test_a_restart_forgets_what_was_there_and_nothing_else(tmp_path):
    folder, out = paint(tmp_path / "in", 2), tmp_path / "out"
    first = begin(out, task_of(folder), threads=1)
    (out / "parts").mkdir()
    (out / "parts" / f"{first.id}-00001.jsonl").write_text('{"index":0,"bad":"x"}\n')
    (out / "coco.json").write_text("{}")
    (out / "mine.txt").write_text("my notes")
    again = begin(out, task_of(folder, threshold=0.5), threads=1, restart=True)
    assert again.id != first.id
    assert again.parts == []
    assert sorted(path.name for path in out.iterdir()) == ["mine.txt", "plan.json"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_with_other_files_is_refused(tmp_path, restart):
    folder = paint(tmp_path / "in", 2)
    with pytest.raises(InputError, match="in: is not empty and holds no labelling"):
        begin(folder, task_of(folder), threads=1, restart=restart)


@pytest.mark.parametrize("spoil", ["{}", '{"id": 1', None])
def test_a_damaged_plan_is_told(tmp_path, spoil):
    task, path = task_of(paint(tmp_path / "in", 2)), tmp_path / "out" / "plan.json"
    begin(tmp_path / "out", task, threads=1)
    record = json.loads(path.read_text()) | {"sha256": "0"}
    path.write_text(spoil or json.dumps(record))
    with pytest.raises(InputError, match=r"plan\.json: (is damaged; begin anew|must be JSON)"):
        begin(tmp_path / "out", task, threads=1)
    begin(tmp_path / "out", task, threads=1, restart=True)


def test_two_runs_do_not_share_a_folder(tmp_path):
    with locked(tmp_path), pytest.raises(InputError, match="another run is labelling there"):  # noqa: SIM117
        with locked(tmp_path):
            pass
    with locked(tmp_path):
        pass
