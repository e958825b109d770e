import io
import json

import numpy as np
import pytest
from detections import SIDE, coco, result, scattered
from PIL import Image

from ovdet.evaluation import evaluate_coco, evaluate_lvis, write_report
from ovdet.evaluation.report import judge
from ovdet.structures import InputError

TRUTH = coco([(1, 5, 0, 0, 10, 10), (1, 9, 20, 0, 10, 10), (2, 5, 5, 5, 9, 9)], images=3)
RESULTS = [
    result(1, 5, (0, 0, 10, 10), 0.9),
    result(1, 2, (20, 0, 10, 10), 0.8),  # takes the object of class 9 for class 2
    result(2, 5, (30, 30, 5, 5), 0.95),  # nothing is there, and the object is missed
]


def read(folder):
    return json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    images = tmp_path_factory.mktemp("images")
    for number in (1, 2, 3):
        shade = np.full((SIDE, SIDE, 3), 80 * number, np.uint8)
        Image.fromarray(shade).save(images / f"{number}.png")
    paths = write_report(folder, TRUTH, RESULTS, image_dir=images, novel_ids=[9])
    return folder, paths


def test_three_files_are_written(written):
    folder, paths = written
    assert [path.name for path in paths] == ["report.json", "report.md", "report.png"]
    assert sorted(path.name for path in folder.iterdir()) == [path.name for path in paths]
    with Image.open(io.BytesIO((folder / "report.png").read_bytes())) as page:
        assert min(page.size) >= 1000
        assert len(page.convert("RGB").resize((200, 200)).getcolors(200**2)) > 50


def test_the_table_of_the_classes(written):
    record = read(written[0])
    rows = {row["id"]: row for row in record["classes"]}
    assert [row["objects"] for row in record["classes"]] == [0, 0, 2, 1]  # ascending ids
    assert rows[5]["groups"] == ["base"]
    assert rows[9]["groups"] == ["novel"]
    # Class 5: the false detection comes first, so precision is 1/2 up to recall 1/2.
    assert rows[5]["AP50"] == pytest.approx(0.5 * 51 / 101)
    assert rows[5]["threshold"] == 0.9
    assert rows[5]["F1"] == pytest.approx(2 / 4)
    assert rows[9]["AP50"] == 0
    assert rows[9]["threshold"] is None
    assert rows[2]["AP"] is None


def test_confusions_and_worst_images(written):
    record = read(written[0])
    assert record["confusions"] == [
        {"class": "class 9", "taken_for": "class 2", "objects": 1, "share": 1.0}
    ]
    # Class 2 has no object, so no score of it is to be believed: image 1 only lacks class 9.
    assert [(e["image_id"], e["wrong"], e["missed"]) for e in record["worst_images"]] == [
        (2, 1, 1),
        (1, 0, 1),
    ]
    assert record["errors"]["classification"]["count"] == 1
    assert record["errors"]["background"]["count"] == 1
    assert record["errors"]["missed"]["count"] == 1


def test_the_text_says_the_same(written):
    text = (written[0] / "report.md").read_text()
    assert "3 images, 3 objects, 3 detections" in text
    assert "| class 9 (novel) | 1 | 0 | 0.0 | 0.0 | - | 0.0 | - | 0.0 | - |" in text
    assert "| class 9 | class 2 | 1 | 100.0 |" in text
    assert "| 2 | 2.png | 1 | 1 |" in text


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_summary_is_cocos(kind):
    truth, results = scattered(3)
    reference = evaluate_coco(truth, results, kind, [9], backend="pycocotools")
    judged = judge(truth, results, kind, [9])
    for group, members in judged.groups.items():
        precision = judged.curves[:, members].mean(axis=2)
        known = precision[:, ~np.isnan(precision[0])]
        assert known.mean() == pytest.approx(reference[f"{group}/AP"], abs=1e-12)
        assert known[0].mean() == pytest.approx(reference[f"{group}/AP50"], abs=1e-12)
        assert known[5].mean() == pytest.approx(reference[f"{group}/AP75"], abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_summary_is_lviss(seed):
    truth, results = scattered(seed, crowds=False)
    rng = np.random.default_rng(seed)
    for image in truth["images"]:
        absent = {5, 2, 9, 4} - {
            a["category_id"] for a in truth["annotations"] if a["image_id"] == image["id"]
        }
        image["neg_category_ids"] = [c for c in sorted(absent) if rng.random() < 0.5]
        image["not_exhaustive_category_ids"] = [2] if rng.random() < 0.3 else []
    for category, letter in zip(truth["categories"], "frcc", strict=True):
        category["frequency"] = letter
    reference = evaluate_lvis(truth, results)
    judged = judge(truth, results)
    precision = judged.curves.mean(axis=2)
    assert set(judged.groups) == {"frequent", "rare", "common", "all"}
    for group, members in judged.groups.items():
        known = precision[:, members & ~np.isnan(precision[0])]
        assert known.mean() == pytest.approx(reference[f"{group}/AP"], abs=1e-12)


@pytest.mark.parametrize("fixed", [False, True])
def test_the_best_of_lvis_are_taken_before_anything_is_left_out(monkeypatch, fixed):
    """Two results of unchecked classes use up an image's places, as they do in lvis-api."""
    for place in ("lvis.PER_IMAGE", "lvis.PER_CLASS", "assignment._TOP_FEDERATED"):
        monkeypatch.setattr(f"ovdet.evaluation.{place}", 2)
    monkeypatch.setattr("ovdet.evaluation.assignment._TOP_FIXED", 2)
    truth = coco([(1, 5, 0, 0, 10, 10), (2, 5, 0, 0, 10, 10)], images=2)
    for image in truth["images"]:
        image |= {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    for category in truth["categories"]:
        category["frequency"] = "r"
    strangers = [result(1, 9, (0, 0, 10, 10), score) for score in (0.9, 0.8)]
    results = [*strangers, *(result(i, 5, (0, 0, 10, 10), 0.5) for i in (1, 2))]
    expected = evaluate_lvis(truth, results, fixed=fixed)["all/AP"]
    assert expected == pytest.approx(1.0 if fixed else 51 / 101)
    judged = judge(truth, results, fixed=fixed)
    assert np.nanmean(judged.curves) == pytest.approx(expected)
    assert judged.overlaps.rule == f"LVIS's: the 2 best of {'a class' if fixed else 'an image'}"


def test_frequencies_are_groups():
    truth = coco([(1, 5, 0, 0, 10, 10)], categories=(5, 9, 2))
    for category, letter in zip(truth["categories"], "frc", strict=True):
        category["frequency"] = letter
    groups = judge(truth, []).groups
    assert [groups[name].tolist() for name in ("frequent", "rare", "common")] == [
        [False, True, False],  # ids 2, 5, 9
        [False, False, True],
        [True, False, False],
    ]


def test_an_object_that_another_detection_is_was_not_taken_for_it():
    # Two classes on nearly the same place, both found: nothing is confused.
    truth = coco([(1, 5, 0, 0, 10, 10), (1, 9, 0, 0, 10, 9)])
    results = [result(1, 5, (0, 0, 10, 10), 0.9), result(1, 9, (0, 0, 10, 9), 0.8)]
    assert judge(truth, results).worst_pairs() == []


def test_no_results_no_images_and_odd_names(tmp_path):
    truth = coco([(1, 5, 0, 0, 10, 10)], categories=(5,))
    truth["categories"][0]["name"] = "$a|b$ \u732b" + "x" * 80
    write_report(tmp_path, truth, [], "segm")
    record = read(tmp_path)
    assert record["summary"]["all"]["AP"] == 0
    assert record["calibration"]["error"] is None
    assert "$a\\|b$ \u732b" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "report.png").stat().st_size > 1000


def test_scores_beyond_one_are_not_calibrated(tmp_path):
    truth = coco([(1, 5, 0, 0, 10, 10)])
    write_report(tmp_path, truth, [result(1, 5, (0, 0, 10, 10), 7.5)])
    record = read(tmp_path)
    assert record["calibration"] is None
    assert record["summary"]["all"]["AP"] == pytest.approx(1.0)
    assert "calibration was not measured" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": coco([], images=3)}, "must hold an object"),
        ({"kind": "keypoints"}, "kind must be one of"),
        ({"results": [result(8, 5, (0, 0, 1, 1), 1.0)]}, "image_id 8 is not in the truth"),
        ({"image_dir": "nowhere"}, "cannot be read as an image"),
    ],
)
def test_bad_input_writes_nothing(tmp_path, change, message):
    given = {"truth": TRUTH, "results": RESULTS} | change
    with pytest.raises(InputError, match=message):
        write_report(tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()
