import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from detections import coco, result

from ovdet.cli import main
from ovdet.data.splits import vocabulary

ROOT = Path(__file__).parents[2]


def evaluate(*words):
    return main(["evaluate", *words])


@pytest.fixture
def files(tmp_path):
    """A truth and results: class 5 is found, class 9 is not."""
    truth = coco([(1, 5, 0, 0, 10, 10), (1, 9, 20, 20, 10, 10)])
    results = [result(1, 5, (0, 0, 10, 10), 0.9), result(1, 9, (0, 20, 10, 10), 0.8)]
    return save(tmp_path, truth, results)


def save(folder, truth, results):
    paths = folder / "truth.json", folder / "results.json"
    for path, record in zip(paths, (truth, results), strict=True):
        path.write_text(json.dumps(record))
    return [str(path) for path in paths]


def test_the_headline_comes_first(files, capsys):
    assert evaluate(*files, "--protocol", "coco") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "coco bbox: AP 50.0, AP50 50.0, AP75 50.0"
    assert "| AP | 50.0 |" in lines


def test_scores_and_a_report_are_written(files, tmp_path, monkeypatch, capsys):
    """The report itself is tested with its module: its picture takes seconds."""
    asked = []

    def write_report(folder, truth, found, *others, fixed):
        asked.append((truth["categories"][0]["id"], len(found), *others, fixed))
        return [folder / "report.json"]

    monkeypatch.setattr("ovdet.evaluation.report.write_report", write_report)
    out = tmp_path / "out"
    words = ["--protocol", "coco", "--iou-type", "segm", "--out", str(out)]
    assert evaluate(*files, *words) == 0
    record = json.loads((out / "scores.json").read_text())
    assert record["kind"] == "segm"
    assert record["figures"]["AP50/class 5"] == pytest.approx(1.0)
    assert record["figures"]["AP50/class 9"] == 0
    assert asked == [(5, 2, "segm", None, (), False)]
    told = [line.split("/")[-1] for line in capsys.readouterr().out.splitlines()[-3:]]
    assert told == ["scores.json", "scores.md", "report.json"]


def test_a_vocabulary_says_what_is_novel(files, tmp_path, capsys):
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps({"names": ["class 5", "class 9"], "novel": [True, False]}))
    assert evaluate(*files, "--protocol", "ov-coco", "--novel", str(path)) == 0
    assert capsys.readouterr().out.startswith("ov-coco bbox: novel AP50 100.0, base AP50 0.0")


def test_the_protocol_brings_its_vocabulary(tmp_path, capsys):
    classes = vocabulary("@coco-ov")
    truth = coco([(1, 5, 0, 0, 10, 10), (1, 1, 20, 20, 10, 10)], categories=classes.category_ids)
    for category, name in zip(truth["categories"], classes.names, strict=True):
        category["name"] = name
    files = save(tmp_path, truth, [result(1, 5, (0, 0, 10, 10), 0.9)])  # 5 is an airplane: novel
    assert evaluate(*files, "--protocol", "ov-coco") == 0
    out = capsys.readouterr().out
    assert out.startswith("ov-coco bbox: novel AP50 100.0, base AP50 0.0, all AP50 50.0")
    assert "weighted: (48 base + 17 novel) / 65" in out


def test_what_is_wrong_is_told_in_one_line(files, tmp_path, capsys):
    path = tmp_path / "results.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps([*entries, *(entry | {"image_id": 8} for entry in entries)]))
    out = tmp_path / "out"
    assert evaluate(*files, "--protocol", "coco", "--out", str(out)) == 2
    told = capsys.readouterr().err
    assert told.startswith("ovdet evaluate: ")
    assert "results.json: result 2 (image 8): image_id 8 is not in the truth (and 1 more)" in told
    assert told.count("\n") == 1
    assert not out.exists()
    assert evaluate(*files, "--protocol", "coco", "--partial") == 0


def corners(entry):
    x, y, width, height = entry["bbox"]
    return entry | {"bbox": [x, y, x + width, y + height]}


SMALL = {"size": [9, 9], "counts": [81]}
WRONG = {
    "an unknown image": ("bbox", lambda e: e | {"image_id": 8}, "image_id 8 is not in the truth"),
    "no number": ("bbox", lambda e: e | {"score": float("nan")}, "score must be finite, got nan"),
    "corners": ("bbox", corners, "bbox must be x, y, width, height, .* look like x1, y1, x2, y2"),
    "other ids": ("bbox", lambda e: e | {"category_id": 90}, "category_id 90 is not one of the"),
    "a small mask": (
        "segm",
        lambda e: e | {"segmentation": SMALL},
        "mask must be of its image's size",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_meant_is_refused_by_name_and_number(tmp_path, capsys, case):
    """Of eleven results the first is right; the others are wrong."""
    kind, spoil, message = WRONG[case]
    truth = coco([(1, 5, 25, 25, 10, 10)])
    right = result(1, 5, (0, 0, 10, 10), 0.9)
    results = [right, *(spoil(result(1, 5, (25, 25, 10, 10), 0.5)) for _ in range(10))]
    files = save(tmp_path, truth, results)
    assert evaluate(*files, "--protocol", "coco", "--iou-type", kind) == 2
    told = capsys.readouterr().err
    place = r"result 1 \(image [18]\): "
    assert re.fullmatch(rf"ovdet evaluate: .*{place}{message}.* \(and 9 more\)\n", told), told


def test_it_needs_no_torch(files):
    code = f"""
import sys
from ovdet.cli import main
print(main(["evaluate", *{files!r}, "--protocol", "coco", "--iou-type", "segm"]))
print("torch" in sys.modules)
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["0", "False"]
