import json
import math

import numpy as np
import pytest
from detections import coco, draw, result
from PIL import Image

from ovdet.evaluation import names
from ovdet.evaluation.names import ABSENT
from ovdet.evaluation.protocols import PROTOCOLS, Question, ask, headline, headlines
from ovdet.structures import InputError, Vocabulary


def saved(folder, truth, results):
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
    return folder / "truth.json", folder / "results.json"


def world():
    """Classes 5 and 2 are found, 9 is not; nothing is of class 4."""
    truth = coco([(1, 5, 0, 0, 10, 10), (1, 2, 20, 20, 10, 10), (2, 9, 0, 20, 10, 10)], images=2)
    results = [result(1, 5, (0, 0, 10, 10), 0.9), result(1, 2, (20, 20, 10, 10), 0.9)]
    return truth, [*results, result(2, 9, (20, 0, 10, 10), 0.9), result(2, 4, (0, 0, 5, 5), 0.9)]


def federated():
    truth, results = world()
    for image in truth["images"]:
        image |= {"neg_category_ids": [4], "not_exhaustive_category_ids": []}
    for category, letter in zip(truth["categories"], "ffrc", strict=True):
        category["frequency"] = letter
    return truth, results


def test_coco(tmp_path):
    answer = ask("coco", Question(*saved(tmp_path, *world())))
    assert answer.figures["all/AP"] == pytest.approx(2 / 3)
    assert not [key for key in answer.figures if key.startswith(("base", "novel"))]
    assert headline(PROTOCOLS["coco"], answer.figures) == "AP 66.7, AP50 66.7, AP75 66.7"
    assert (answer.notes, answer.novel_ids) == ((), ())


def test_the_truth_may_say_what_is_novel(tmp_path):
    truth, results = world()
    for category in truth["categories"]:
        category["novel"] = category["id"] == 9
    answer = ask("coco", Question(*saved(tmp_path, truth, results), kind="segm"))
    assert answer.novel_ids == (9,)
    assert answer.figures["base/AP"] == pytest.approx(1.0)
    assert answer.figures["novel/AP"] == 0


def test_open_vocabulary_coco_counts_its_own_classes_only(tmp_path):
    vocabulary = Vocabulary(("class 9", "class 5"), novel=(True, False), ids=(1, 2))
    answer = ask("ov-coco", Question(*saved(tmp_path, *world()), vocabulary=vocabulary))
    assert answer.figures["base/AP50"] == pytest.approx(1.0)
    assert answer.figures["novel/AP50"] == 0
    assert answer.figures["all/AP50"] == answer.figures["weighted/AP50"] == pytest.approx(0.5)
    assert headline(PROTOCOLS["ov-coco"], answer.figures).startswith("novel AP50 0.0, base AP50 1")
    assert "2 results of classes outside the vocabulary were left out" in answer.notes
    assert "all: one evaluation of 2 classes; weighted: (1 base + 1 novel) / 2" in answer.notes
    assert {category["id"] for category in answer.truth["categories"]} == {5, 9}


def test_classes_are_known_by_their_ids_where_names_were_respelt(tmp_path):
    question = Question(
        *saved(tmp_path, *world()), vocabulary=Vocabulary(("old name", "class 9"), ids=(5, 9))
    )
    assert len(ask("ov-coco", question).truth["categories"]) == 2
    strange = Vocabulary(("cat", "dog", "class 9"), ids=(5, 2, 9))  # another set's, by chance alike
    with pytest.raises(InputError, match="has no category for 2 of the classes: 'cat', 'dog'"):
        ask("ov-coco", Question(*saved(tmp_path, *world()), vocabulary=strange))


def test_lvis_and_its_kin(tmp_path):
    files = saved(tmp_path, *federated())
    plain, fixed, opened = (
        ask(name, Question(*files)) for name in ("lvis", "lvis-fixed", "ov-lvis")
    )
    assert headline(PROTOCOLS["lvis"], plain.figures) == "AP 66.7, APr 0.0, APc -, APf 100.0"
    assert headline(PROTOCOLS["lvis-fixed"], fixed.figures).startswith("fixed AP 66.7, APr 0.0")
    assert headline(PROTOCOLS["ov-lvis"], opened.figures).startswith("APr 0.0, APc -, APf 100.0")
    assert "4 of 4 classes have fewer than 10,000 results" in fixed.notes[0]
    assert opened.novel_ids == (9,)
    other = Vocabulary(("class 5",), novel=(True,))
    assert ask("ov-lvis", Question(*files, vocabulary=other)).novel_ids == (5,)


def test_a_part_can_be_measured(tmp_path):
    truth, results = world()
    files = saved(tmp_path, truth, [*results, result(8, 5, (0, 0, 1, 1), 1.0)])
    with pytest.raises(InputError, match=r"results.json: result 4 \(image 8\): image_id 8"):
        ask("coco", Question(*files))
    answer = ask("coco", Question(*files, partial=True))
    assert answer.figures["all/AP"] == pytest.approx(2 / 3)
    assert answer.notes == ("results of unknown images or classes were left out",)


def test_sets(tmp_path):
    for name in ("first", "second"):
        for side in ("truth", "results"):
            (tmp_path / side).mkdir(exist_ok=True)
        truth, results = world()
        found = results if name == "first" else []
        (tmp_path / "truth" / f"{name}.json").write_text(json.dumps(truth))
        (tmp_path / "results" / f"{name}.json").write_text(json.dumps(found))
    answer = ask("odinw", Question(tmp_path / "truth", tmp_path / "results"))
    assert answer.figures["mean/AP"] == pytest.approx(1 / 3)
    with pytest.raises(InputError, match="odinw compares bbox or segm, got boundary"):
        ask("odinw", Question(tmp_path, tmp_path, kind="boundary"))


def test_label_maps(tmp_path):
    for side, values in (("truth", [[0, 0], [1, 1]]), ("results", [[0, 0], [1, 0]])):
        (tmp_path / side).mkdir()
        Image.fromarray(np.array(values, np.uint8)).save(tmp_path / side / "a.png")
    vocabulary = Vocabulary(("cat", "dog"), novel=(False, True))
    folders = (tmp_path / "truth", tmp_path / "results")
    figures = ask("semantic", Question(*folders, vocabulary=vocabulary)).figures
    assert headline(PROTOCOLS["semantic"], figures).startswith("mIoU 58.3, seen 66.7, unseen 50.0")
    with pytest.raises(InputError, match="semantic needs a vocabulary"):
        ask("semantic", Question(*folders))


def test_the_habits_of_label_maps(tmp_path):
    """Class 2 has no pixel; an answer beyond the last class falls into it."""
    for side, values in (("truth", [[0, 0], [1, 1]]), ("results", [[0, 0], [1, 7]])):
        (tmp_path / side).mkdir()
        Image.fromarray(np.array(values, np.uint8)).save(tmp_path / side / "a.png")
    folders, classes = (tmp_path / "truth", tmp_path / "results"), Vocabulary(("a", "b", "c"))
    for absent, expected in (("skip", 3 / 4), ("claimed", 1 / 2), ("zero", 1 / 2)):
        question = Question(*folders, vocabulary=classes, absent=absent, last=2)
        answer = ask("semantic", question)
        assert answer.figures["mIoU"] == pytest.approx(expected)
        assert answer.notes == (f"classes without a pixel in the truth {ABSENT[absent]}",)
    with pytest.raises(InputError, match="found must hold classes 0 to 2, got 7"):
        ask("semantic", Question(*folders, vocabulary=classes))


def panoptic(folder, name, segments):
    """One image, whose segments (id, category) are a column each."""
    (folder / name).mkdir()
    ids = np.array([[number for number, _ in segments]] * 4, np.uint8)
    Image.fromarray(np.stack([ids, ids * 0, ids * 0], axis=2)).save(folder / name / "1.png")
    infos = [{"id": i, "category_id": c, "iscrowd": 0, "area": 4} for i, c in segments]
    record = {
        "images": [{"id": 1, "height": 4, "width": len(segments)}],
        "annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": infos}],
        "categories": [{"id": i, "name": f"class {i}", "isthing": i % 2} for i in (1, 2, 3)],
    }
    (folder / f"{name}.json").write_text(json.dumps(record))
    return folder / f"{name}.json"


def test_panoptic(tmp_path):
    truth = panoptic(tmp_path, "truth", [(5, 1), (6, 2), (7, 3)])
    results = panoptic(tmp_path, "results", [(9, 1), (8, 3), (7, 3)])
    figures = ask("panoptic", Question(truth, results)).figures
    expected = [1, 0, 1 / (1 + 1 / 2)]
    assert figures["all/PQ"] == pytest.approx(np.mean(expected))
    novel = Vocabulary(("class 1", "class 2"), novel=(True, False))
    divided = ask("panoptic", Question(truth, results, vocabulary=novel)).figures
    assert divided["unseen/PQ"] == pytest.approx(1.0)


def test_phrases_and_expressions(tmp_path):
    truth, _ = world()
    truth["sentences"] = [{"image_id": 1, "phrases": [{"annotation_ids": [1]}]}]
    answer = {"image_id": 1, "sentence": 0, "phrase": 0, "bbox": [0, 0, 10, 10], "score": 1.0}
    files = saved(tmp_path, truth, [answer])
    for name, expected in (
        ("phrases", "any box R@1 100.0, merged R@1 100.0"),
        ("expressions", "accuracy@0.5 100.0"),
    ):
        assert headline(PROTOCOLS[name], ask(name, Question(*files)).figures) == expected
    with pytest.raises(InputError, match="must be a COCO object with 'sentences'"):
        ask("phrases", Question(files[1], files[1]))
    with pytest.raises(InputError, match="must be a list, got dict"):
        ask("phrases", Question(files[0], files[0]))


def test_classification(tmp_path):
    truth = coco([(1, 5, 0, 0, 10, 10), (2, 9, 0, 0, 10, 10)], images=2)
    results = [{"image_id": i, "category_id": 5, "score": 1.0} for i in (1, 2)]
    figures = ask("classification", Question(*saved(tmp_path, truth, results))).figures
    assert headline(PROTOCOLS["classification"], figures).startswith("top-1 50.0")


def test_retrieval(tmp_path):
    truth = [{"id": 1, "caption": "a"}, {"id": 2, "captions": ["b"]}]
    results = [{"image_id": 1, "captions": [0]}, {"image_id": 2, "captions": [0, 1]}]
    files = saved(tmp_path, truth, results)
    told = headline(PROTOCOLS["retrieval"], ask("retrieval", Question(*files)).figures)
    assert told == (
        "image to text R@1 50.0, R@5 100.0, R@10 100.0, text to image R@1 -, R@5 -, R@10 -"
    )
    (tmp_path / "truth.json").write_text("{}")
    with pytest.raises(InputError, match=r"truth\.json: must be a list, got dict"):
        ask("retrieval", Question(*files))


def test_an_unknown_protocol_is_refused(tmp_path):
    with pytest.raises(InputError, match="unknown protocol 'voc'; known: coco, ov-coco"):
        ask("voc", Question(tmp_path, tmp_path))


def test_the_headlines_of_a_run():
    metrics = {
        "coco/bbox/novel/AP50": 0.25,
        "coco/bbox/base/AP50": math.nan,
        "coco/bbox/all/AP50": 0.5,
        "coco/bbox/all/AP": 0.3,
        "coco/segm/novel/AP50": math.nan,
        "coco/segm/all/AP": 0.125,
        "lvis/segm/all/AP": 0.1,
        "lvis/segm/rare/AP": 0.05,
        "zero_shot/top1": 0.75,
        "retrieval/image_to_text@1": 0.25,
        "panoptic/all/PQ": 0.5,
        "panoptic/unseen/PQ": 0.125,
        "other/mIoU": 0.5,
    }
    assert headlines(metrics) == [
        "coco/bbox: novel AP50 25.0, base AP50 -, all AP50 50.0",
        "coco/segm: AP 12.5",
        "lvis/segm: AP 10.0, APr 5.0",
        "panoptic: PQ 50.0, unseen PQ 12.5",
        "zero_shot: top-1 75.0",
        "retrieval: image to text R@1 25.0",
    ]
    assert headlines({}) == []


def test_every_protocol_is_told_in_one_line():
    assert list(names.PROTOCOLS) == list(PROTOCOLS)
    for name, protocol in PROTOCOLS.items():
        assert names.PROTOCOLS[name], name
        assert "\n" not in names.PROTOCOLS[name]
        assert protocol.headline


def test_masks_are_measured_by_their_own_runs(tmp_path):
    truth, results = world()
    results[0]["segmentation"] = draw((20, 0, 10, 10))
    answer = ask("coco", Question(*saved(tmp_path, truth, results), kind="segm"))
    assert answer.figures["all/AP"] == pytest.approx(1 / 3)
