import json

import numpy as np
import pytest

from ovdet.data.phrases import PhraseDataset
from ovdet.data.stickers.expressions import KINDS
from ovdet.data.stickers.kin import are_kin
from ovdet.data.stickers.names import HELD_OUT, NAMES
from ovdet.data.stickers.phrases import render_repeats, write_sentences


@pytest.mark.usefixtures("font")
def test_no_two_names_of_a_scene_may_fit_one_thing():
    coloured = 0
    for seed in range(12):
        scene = render_repeats(np.random.default_rng(seed), NAMES)
        names = sorted({thing.name for thing in scene.objects})
        assert not any(are_kin(one, other) for one in names for other in names if one != other)
        assert len(scene.objects) >= len(names)
        colours = {thing.colour is None for thing in scene.objects}
        assert len(colours) <= 1  # all are coloured or none is
        coloured += colours == {False}
    assert 0 < coloured < 12


@pytest.mark.usefixtures("font")
def test_each_kind_is_said_once():
    said = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        scene = render_repeats(rng, NAMES)
        kinds = [sentence.kind for sentence in write_sentences(rng, scene, NAMES)]
        assert len(kinds) == len(set(kinds))
        assert kinds[-1] == "absent"
        assert sum(kind not in {"list", "absent"} for kind in kinds) <= 2
        said |= set(kinds)
    assert said == set(KINDS)


def test_the_file_ties_words_to_boxes(small_track):
    folder = small_track("stickers-phrases") / "annotations"
    record = json.loads((folder / "train.json").read_text(encoding="utf-8"))
    names = {item["id"]: item["name"] for item in record["categories"]}
    assert set(names.values()) == set(NAMES)
    things = {item["id"]: item for item in record["annotations"]}
    assert not {names[item["category_id"]] for item in things.values()} & set(HELD_OUT)
    empty = 0
    for sentence in record["sentences"]:
        assert not set(sentence["text"].split()) & set(HELD_OUT)
        for phrase in sentence["phrases"]:
            words = sentence["text"][phrase["start"] : phrase["end"]]
            empty += not phrase["annotation_ids"]
            for number in phrase["annotation_ids"]:
                assert names[things[number]["category_id"]] in words
                assert things[number]["image_id"] == sentence["image_id"]
    assert empty == len(record["images"])


def test_each_kind_has_a_file_to_measure_it_on(small_track):
    folder = small_track("stickers-phrases") / "annotations"
    whole = json.loads((folder / "val.json").read_text(encoding="utf-8"))
    found = []
    for path in folder.glob("val_*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        kinds = {sentence["kind"] for sentence in record["sentences"]}
        assert kinds == {path.stem.removeprefix("val_")} <= set(KINDS)
        assert record["images"] == whole["images"]
        found += record["sentences"]
    assert sorted(found, key=lambda sentence: sentence["id"]) == whole["sentences"]


def test_the_track_is_read_as_any_other(small_track):
    folder = small_track("stickers-phrases")
    dataset = PhraseDataset(str(folder / "annotations" / "val.json"), str(folder / "val"))
    assert len(dataset) >= 2 * 2
    sample = dataset[0]
    assert sample.image.shape == (3, 160, 160)
    assert len(sample.phrases) >= 1
    assert set(sample.truth.labels.tolist()) <= set(range(len(sample.phrases)))
