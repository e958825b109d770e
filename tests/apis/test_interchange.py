import base64
import io
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pandas
import pytest
import supervision
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from transformers import ZeroShotObjectDetectionPipeline

from ovdet.apis import PanopticResult, Result, SemanticResult
from ovdet.apis.interchange import outlines
from ovdet.structures import Vocabulary

NAMES = ("cat", "<b>red</b>  car", "日本 猫")
BOXES = [[10, 20, 30, 36], [0, 0, 60, 40], [1.5, 2.75, 4, 8]]


def drawn(*parts):
    mask = np.zeros((40, 60), bool)
    for x1, y1, x2, y2 in parts:
        mask[y1:y2, x1:x2] = True
    return mask


MASKS = [drawn((10, 20, 30, 36)), drawn((0, 0, 20, 10), (30, 20, 60, 40)), drawn((2, 3, 3, 4))]


@pytest.fixture
def result():
    rles = tuple(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in MASKS)
    return Result(
        boxes=np.array(BOXES, np.float32),
        scores=np.array([0.75, 0.5, 0.25], np.float32),
        class_ids=np.array([1, 0, 2]),
        vocabulary=Vocabulary(NAMES),
        image=np.full((40, 60, 3), 9, np.uint8),
        rles=rles,
        file_name="photos/a.png",
    )


@pytest.fixture
def boxes_only(result):
    return replace(result, rles=None)


def test_supervision_reads_it(result):
    found = result.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert (found.mask == np.stack(MASKS)).all()
    assert found.xyxy.tolist() == BOXES
    assert found.data["class_name"].tolist() == result.labels
    other = supervision.Detections.from_transformers(
        {k: v for k, v in result.to_transformers().items() if k != "text_labels"}
    )
    assert (other.xyxy == found.xyxy).all()
    assert (other.class_id == found.class_id).all()


def test_the_pipeline_s_items(result):
    """The expected items are what transformers' own code makes of the same numbers."""
    processor = SimpleNamespace(
        post_process_object_detection=lambda outputs, threshold, target_sizes: [  # noqa: ARG005
            {"scores": outputs["scores"], "boxes": outputs["boxes"]}
        ]
    )
    pipeline = SimpleNamespace(image_processor=processor)
    of = ZeroShotObjectDetectionPipeline._get_bounding_box
    pipeline._get_bounding_box = lambda box: of(SimpleNamespace(framework="pt"), box)
    outputs = [
        {
            "candidate_label": label,
            "target_size": 0,
            "scores": torch.tensor([score]),
            "boxes": torch.tensor([box]),
        }
        for label, score, box in zip(result.labels, result.scores.tolist(), BOXES, strict=True)
    ]
    expected = ZeroShotObjectDetectionPipeline.postprocess(pipeline, outputs)
    assert result.to_pipeline() == expected
    assert result.to_pipeline()[2]["box"] == {"xmin": 1, "ymin": 2, "xmax": 4, "ymax": 8}
    assert result[:0].to_pipeline() == []


def test_pandas(result):
    frame = result.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == [
        "file_name", "label", "class_id", "score", "x1", "y1", "x2", "y2",
    ]  # fmt: skip
    assert frame["label"].tolist() == result.labels
    assert frame[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == BOXES
    assert frame[frame.score >= 0.5]["class_id"].tolist() == [1, 0]
    assert set(frame["file_name"]) == {"photos/a.png"}
    empty = result[:0].to_pandas()
    assert (len(empty), list(empty.columns)) == (0, list(frame.columns))


class Recorder:
    """Stands for a class of FiftyOne's and keeps what it was given."""

    def __init__(self, **given):
        self.given = given


@pytest.fixture
def fiftyone(monkeypatch):
    module = SimpleNamespace(Detection=Recorder, Detections=Recorder)
    monkeypatch.setitem(sys.modules, "fiftyone", module)


@pytest.mark.usefixtures("fiftyone")
def test_fiftyone(result, boxes_only):
    detections = result.to_fiftyone().given["detections"]
    first, _, third = (detection.given for detection in detections)
    assert [d.given["label"] for d in detections] == result.labels
    assert first["bounding_box"] == pytest.approx([1 / 6, 0.5, 1 / 3, 0.4])
    assert first["confidence"] == 0.75
    assert first["mask"].shape == (16, 20)
    assert first["mask"].all()
    assert third["mask"].shape == (6, 3)  # y 2 to 8, x 1 to 4
    assert np.argwhere(third["mask"]).tolist() == [[1, 1]]
    assert boxes_only.to_fiftyone().given["detections"][0].given["mask"] is None
    assert result[:0].to_fiftyone().given == {"detections": []}


def test_fiftyone_that_is_not_there(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(ImportError, match="fiftyone"):
        result.to_fiftyone()


def test_labelstudio_rectangles(boxes_only):
    task = boxes_only.to_labelstudio()
    assert task["data"] == {"image": "photos/a.png"}
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == "ovdet"
    assert prediction["score"] == 0.5
    first = prediction["result"][0]
    value = first.pop("value")
    assert value.pop("rectanglelabels") == ["<b>red</b>  car"]
    sides = {"x": 100 / 6, "y": 50, "width": 100 / 3, "height": 40, "rotation": 0}
    assert value == pytest.approx(sides)
    assert first == {
        "id": "0-0",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": 60,
        "original_height": 40,
        "image_rotation": 0,
        "score": 0.75,
    }
    ids = [region["id"] for region in prediction["result"]]
    assert len(set(ids)) == len(ids)


def test_labelstudio_polygons(result):
    names = {"image": "s3://b/a.png", "model_version": "v2", "from_name": "l", "to_name": "i"}
    task = result.to_labelstudio(**names)
    assert task["data"] == {"i": "s3://b/a.png"}
    regions = task["predictions"][0]["result"]
    assert [region["value"]["polygonlabels"][0] for region in regions] == [
        "<b>red</b>  car", "cat", "cat", "日本 猫",
    ]  # fmt: skip
    assert {(region["from_name"], region["to_name"]) for region in regions} == {("l", "i")}
    corners = np.array(regions[0]["value"]["points"]) * [0.6, 0.4]
    assert sorted(corners.round(6).tolist()) == [[10, 20], [10, 36], [30, 20], [30, 36]]


def test_labelstudio_without_objects(result):
    prediction = result[:0].to_labelstudio()["predictions"][0]
    assert (prediction["result"], prediction["score"]) == ([], 0.0)


def test_outlines_follow_the_edges_of_pixels():
    assert outlines(drawn()) == []
    (one,) = outlines(drawn((5, 6, 6, 7)))
    assert sorted(one.tolist()) == [[5, 6], [5, 7], [6, 6], [6, 7]]
    disk = cv2.circle(np.zeros((40, 60), np.uint8), (30, 20), 15, 1, -1).astype(bool)
    (border,) = outlines(disk)
    area = cv2.contourArea(border.astype(np.float32))
    assert abs(area - disk.sum()) < 0.05 * disk.sum()


def test_notebooks_show_a_picture_and_names_as_text(result):
    page = result._repr_html_()
    data = re.match(r'<img src="data:image/jpeg;base64,([^"]+)"', page).group(1)
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (600, 400)
    assert "&lt;b&gt;red&lt;/b&gt;  car" in page
    assert "<b>" not in page
    assert not re.search(r"https?:|<script|<link", page)
    assert "nothing found" in result[:0]._repr_html_()
    large = replace(result, image=np.zeros((1000, 4000, 3), np.uint8), rles=None)
    data = re.search(r"base64,([^\"]+)", large._repr_html_()).group(1)
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (1280, 320)


def test_notebooks_show_label_maps_and_segments():
    image, vocabulary = np.zeros((8, 8, 3), np.uint8), Vocabulary.of(["sky <&>"])
    values = np.ones((8, 8), np.int32)
    for shown in (
        SemanticResult(values - 1, vocabulary, image),
        PanopticResult(values, {1: 0}, vocabulary, image),
    ):
        assert shown._repr_html_().startswith('<img src="data:image/jpeg;base64,')
        assert "sky &lt;&amp;&gt;" in shown._repr_html_()
