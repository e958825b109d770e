import hashlib
import json

from ovdet.evaluation.protocols import Answer, Question
from ovdet.evaluation.scores import table, write_scores
from ovdet.structures import Vocabulary


def test_measures_stand_below_and_groups_beside_each_other():
    figures = {"base/AP": 0.5, "novel/AP": float("nan"), "base/AR": 1.0, "AP/cat/dog": 0.1}
    assert table(figures | {"mIoU": 0.254, "classes": 1.0}) == [
        "|  | base | novel |  |",
        "| --- | ---: | ---: | ---: |",
        "| AP | 50.0 | - |  |",
        "| AR | 100.0 |  |  |",
        "| mIoU |  |  | 25.4 |",
    ]


def test_many_groups_have_a_line_each():
    lines = table({f"set {i}/AP": i / 100 for i in range(11)})
    assert lines[0] == "|  | AP |"
    assert lines[-1] == "| set 10 | 10.0 |"


def test_files_say_what_was_measured(tmp_path):
    for name in ("truth.json", "results.json"):
        (tmp_path / name).write_text(name)
    question = Question(tmp_path / "truth.json", tmp_path / "results.json", "segm")
    answer = Answer({"all/AP": 0.5, "all/APs": float("nan"), "AP/cat": 0.25}, ("a note",))
    written = write_scores(tmp_path / "out", "coco", question, answer)
    assert [path.name for path in written] == ["scores.json", "scores.md"]
    record = json.loads(written[0].read_text())
    assert record["figures"] == {"all/AP": 0.5, "all/APs": None, "AP/cat": 0.25}
    digest = hashlib.sha256(b"truth.json").hexdigest()
    assert record["truth"] == {"name": "truth.json", "sha256": digest}
    assert (record["protocol"], record["kind"], record["backend"]) == ("coco", "segm", "hotcoco")
    assert record["headline"] == "AP 50.0"
    text = written[1].read_text()
    assert text.startswith("# coco, segm: AP 50.0\n")
    assert f"- truth: `truth.json`, sha256 `{digest}`" in text
    assert "Note: a note." in text
    assert "| APs | - |" in text
    assert text.endswith("## Classes\n\n| class | AP |\n| --- | ---: |\n| cat | 25.0 |\n")


def test_the_classes_and_habits_of_label_maps_are_told(tmp_path):
    classes = Vocabulary(("cat", "a|b"), novel=(False, True))
    question = Question(tmp_path, tmp_path, vocabulary=classes, absent="zero", last=1)
    answer = Answer({"mIoU": 0.5, "IoU/cat": 1.0, "IoU/a|b": float("nan")})
    written = write_scores(tmp_path / "out", "semantic", question, answer)
    record = json.loads(written[0].read_text())
    digest = hashlib.sha256(b"cat\na|b").hexdigest()
    assert record["classes"] == {"count": 2, "novel": 1, "names_sha256": digest}
    assert (record["absent"], record["last"]) == ("zero", 1)
    text = written[1].read_text()
    assert f"- classes: 2, 1 of them novel; names, a line each, sha256 `{digest}`" in text
    assert "| cat | 100.0 |\n| a\\|b | - |" in text


def test_folders_have_no_sum(tmp_path):
    written = write_scores(
        tmp_path, "odinw", Question(tmp_path, tmp_path), Answer({"mean/AP": 0.5})
    )
    assert "sha256" not in json.loads(written[0].read_text())["truth"]
    assert "a folder" in written[1].read_text()
