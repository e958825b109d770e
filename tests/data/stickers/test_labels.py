import json
from pathlib import Path

from mmengine.config import Config
from PIL import Image

from ovdet.data.samplers import Draw
from ovdet.data.sources import SourceDraw
from ovdet.data.stickers.split import ov_categories
from ovdet.registry import build

CONFIG = Path(__file__).parents[3] / "configs/base/datasets/stickers_ov_labels.py"


def test_each_picture_lists_what_it_shows_and_not_where(small_track):
    folder = small_track("stickers-labels")
    record = json.loads((folder / "annotations/train.json").read_text(encoding="utf-8"))
    assert record["annotations"] == []
    known = {category.id for category in ov_categories()}
    assert {item["id"] for item in record["categories"]} == known
    for image in record["images"]:
        assert 1 <= len(image["pos_category_ids"]) <= 2
        assert set(image["pos_category_ids"]) <= known
        with Image.open(folder / "train" / image["file_name"]) as picture:
            assert picture.size == (128, 128)


def test_boxes_and_labels_are_learnt_together(small_track, tmp_path, font):  # noqa: ARG001
    from ovdet.data.stickers import write_track

    write_track("stickers-ov", tmp_path / "ov", train=4, val=2)
    text = CONFIG.read_text(encoding="utf-8")
    text = text.replace("data/stickers-ov", str(tmp_path / "ov"))
    text = text.replace("data/stickers-labels", str(small_track("stickers-labels")))
    config = Config.fromstring(text, ".py").to_dict()
    dataset = build(config["train"]["dataset"], "train.dataset")
    boxed, labelled = (dataset[SourceDraw(source, Draw(0, 0, 0))] for source in (0, 1))
    assert boxed.boxed
    assert len(boxed.truth) > 0
    assert not labelled.boxed
    assert len(labelled.truth) == 0
    assert labelled.positive
    assert sum(dataset.vocabulary.novel) == 17
    assert set(config["more_tracks"]) == {"stickers-labels"}
