import json
from pathlib import Path

import numpy as np
import pytest
from colours import NAMES, STEP, flag

from ovdet.apis import PanopticResult, Result, SemanticResult
from ovdet.apis.writing import LabelMaps, Objects, Segments, writer_for
from ovdet.data.semantic import read_label_map
from ovdet.evaluation.panoptic import read_ids
from ovdet.structures import InputError, Vocabulary

PIXELS, LABELS = flag()
VOCABULARY = Vocabulary(NAMES)
INPUTS = [Path("x/a.jpg"), Path("y/a.png")]


def semantic():
    return SemanticResult(LABELS.astype(np.int32), VOCABULARY, PIXELS)


def panoptic():
    ids = np.where(LABELS < 0, 0, 1 + STEP * LABELS).astype(np.int32)
    return PanopticResult(ids, {1 + STEP * c: c for c in range(3)}, VOCABULARY, PIXELS)


def objects():
    box, score, label = np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.array([1])
    return Result(box, score, label, VOCABULARY, PIXELS)


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_each_task_has_its_writer(tmp_path):
    kinds = {"semantic": LabelMaps, "panoptic": Segments, "instance": Objects, "ground": Objects}
    for task, kind in kinds.items():
        assert type(writer_for(task, tmp_path, INPUTS, None)) is kind


def test_label_maps(tmp_path):
    writer = writer_for("semantic", tmp_path, INPUTS, None)
    said = [writer.add(path, semantic()) for path in INPUTS]
    assert said[1].startswith(f"y/a.png -> {tmp_path}/a.png, {tmp_path}/labels/a_2.png\nclass ")
    assert writer.finish() == tmp_path / "labels.json"
    assert written(tmp_path) == ["a.jpg", "a.png", "labels.json", "labels/a.png", "labels/a_2.png"]
    assert Vocabulary.load(tmp_path / "labels.json") == VOCABULARY
    values, none = read_label_map(tmp_path / "labels/a_2.png")
    assert (np.where(values == none, -1, values) == LABELS).all()


def test_segments(tmp_path):
    writer = writer_for("panoptic", tmp_path, INPUTS, tmp_path / "j" / "found.json")
    for path in INPUTS:
        writer.add(path, panoptic())
    writer.finish()
    pngs = ["j/found/a.png", "j/found/a_2.png"]
    assert written(tmp_path) == ["a.jpg", "a.png", "j/found.json", *pngs]
    record = json.loads((tmp_path / "j/found.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in record["images"]] == ["x/a.jpg", "y/a.png"]
    assert [entry["file_name"] for entry in record["annotations"]] == ["a.png", "a_2.png"]
    assert (read_ids(tmp_path / "j/found/a_2.png") == panoptic().ids).all()


def test_objects(tmp_path):
    writer = writer_for("ground", tmp_path, INPUTS, None)
    assert "blue" in writer.add(INPUTS[0], objects())
    assert writer.finish() == tmp_path / "detections.json"
    assert written(tmp_path) == ["a.jpg", "detections.json"]


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_a_folder_must_have_a_name_of_its_own(tmp_path, task):
    with pytest.raises(InputError, match=r"found: must end with \.json, its PNG files go"):
        writer_for(task, tmp_path, INPUTS, tmp_path / "found")
