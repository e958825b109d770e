import json

import numpy as np
import pytest
from PIL import Image

from ovdet.data.panoptic import PanopticDataset
from ovdet.data.semantic import SemanticDataset
from ovdet.data.stickers import grounds
from ovdet.data.stickers.names import HELD_OUT, NAMES
from ovdet.data.stickers.segmentation import (
    STUFF,
    THINGS,
    Segment,
    panoptic_map,
    render_layout,
    semantic_map,
)
from ovdet.structures import IGNORED, Vocabulary

CLASSES = THINGS + STUFF
UNSEEN = {item.id for item in CLASSES if item.novel}


def picture(folder, name):
    with Image.open(folder / name) as image:
        return np.asarray(image).astype(int)


def test_the_classes_and_their_sides():
    assert (len(THINGS), len(STUFF), len(UNSEEN)) == (12, 8, 5)
    assert [item.id for item in CLASSES] == list(range(1, 21))
    assert {item.name for item in THINGS} <= set(NAMES) - set(HELD_OUT)
    assert {item.name for item in STUFF} <= set(grounds.TEXTURES)


def test_maps_of_a_hand_made_picture():
    first, second = np.array([[1, 0, 0]], bool), np.array([[0, 0, 1]], bool)
    segments = [Segment(THINGS[1], 2, first), Segment(STUFF[7], 0, second)]
    assert semantic_map(segments, (1, 3)).tolist() == [[1, 255, 19]]
    assert panoptic_map(segments, (1, 3)).tolist() == [[[2, 2, 0], [0, 0, 0], [20, 0, 0]]]
    assert [segment.id for segment in segments] == [2 + 512, 20]


@pytest.mark.usefixtures("font")
def test_the_ground_is_where_the_map_says(monkeypatch):
    colours = {item.name: np.float32(i / 10) for i, item in enumerate(STUFF)}
    textures = {
        name: lambda _rng, height, width, value=value: np.full((height, width, 3), value)
        for name, value in colours.items()
    }
    monkeypatch.setattr(grounds, "TEXTURES", textures)
    nameless = 0
    for seed in range(6):
        layout = render_layout(np.random.default_rng(seed))
        masks = np.array([segment.mask for segment in layout.segments])
        assert masks.sum(axis=0).max() == 1
        nameless += int((masks.sum(axis=0) == 0).sum())
        for segment in layout.segments:
            ground = colours.get(segment.category.name)
            if ground is None:
                continue
            away = np.abs(layout.image[segment.mask] / 255 - ground).max(axis=1)
            assert (away < 0.1).mean() > 0.9  # noise, and soft edges of what stands in front
            others = np.abs(layout.image[~segment.mask] / 255 - ground).max(axis=1)
            assert (others < 0.1).mean() < 0.2
    assert nameless > 0


@pytest.mark.parametrize("name", ["train_all", "train_seen", "val"])
def test_json_and_pictures_say_the_same(small_track, name):
    folder = small_track("stickers-seg") / "annotations"
    record = json.loads((folder / f"panoptic_{name}.json").read_text(encoding="utf-8"))
    assert {item["id"]: item["isthing"] for item in record["categories"]} == {
        item.id: int(item.id <= 12) for item in CLASSES
    }
    shown = set()
    for entry in record["annotations"]:
        colours = picture(folder / f"panoptic_{name}", entry["file_name"])
        ids = colours @ [1, 256, 65536]
        labels = picture(folder / f"labels_{name}", entry["file_name"])
        assert set(np.unique(ids)) - {0} == {item["id"] for item in entry["segments_info"]}
        assert ((labels == 255) == (ids == 0)).all()
        for item in entry["segments_info"]:
            mask = ids == item["id"]
            rows, columns = np.nonzero(mask)
            x, y, width, height = item["bbox"]
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
            assert mask.sum() == item["area"]
            assert set(labels[mask]) == {item["category_id"] - 1}
            shown.add(item["category_id"])
    assert bool(shown & UNSEEN) == (name != "train_seen")


def test_seen_labels_are_all_labels_without_the_unseen(small_track):
    folder = small_track("stickers-seg") / "annotations"
    for path in sorted((folder / "labels_train_all").iterdir()):
        whole = picture(path.parent, path.name)
        seen = picture(folder / "labels_train_seen", path.name)
        assert np.array_equal(seen, np.where(np.isin(whole + 1, list(UNSEEN)), 255, whole))


def test_the_track_is_read_as_any_other(small_track):
    folder = small_track("stickers-seg")
    notes = folder / "annotations"
    semantic = SemanticDataset(
        str(notes / "labels_val"), str(folder / "val"), str(notes / "vocabulary.json")
    )
    panoptic = PanopticDataset(
        str(notes / "panoptic_val.json"), str(notes / "panoptic_val"), str(folder / "val")
    )
    assert len(semantic) == len(panoptic) == 2
    assert semantic.vocabulary == Vocabulary.load(notes / "vocabulary.json")
    assert panoptic.things == (True,) * 12 + (False,) * 8
    for one, other in zip(semantic, panoptic, strict=False):
        assert one.image.equal(other.image)
        assert one.semantic.equal(other.semantic)
        assert set(one.semantic.unique().tolist()) - {IGNORED} == set(other.truth.labels.tolist())
