import json

import numpy as np

from ovdet.data.stickers.names import HELD_OUT
from ovdet.data.stickers.new import NEW, NEW_SPEC, render_new


def read(folder, name):
    return json.loads((folder / "annotations" / f"{name}.json").read_text(encoding="utf-8"))


def test_the_new_objects_are_held_out_of_all_else():
    assert NEW == ("octopus", "violin")
    assert set(NEW) <= set(HELD_OUT)


def test_each_picture_shows_a_new_object_in_turn_and_names_no_other(small_track):
    record = read(small_track("stickers-new"), "train")
    assert [(c["id"], c["name"], c["novel"]) for c in record["categories"]] == [
        (1, "octopus", False),
        (2, "violin", False),
    ]
    shown = {image["id"]: [] for image in record["images"]}
    for annotation in record["annotations"]:
        shown[annotation["image_id"]].append(annotation["category_id"])
    assert [labels[0] for labels in shown.values()] == [1, 2, 1, 2]
    assert all(len(labels) <= NEW_SPEC.objects[1] for labels in shown.values())


def test_what_stands_around_them_is_drawn_and_not_annotated(font):  # noqa: ARG001
    rng = np.random.default_rng(3)
    scenes = [render_new(rng, "violin") for _ in range(12)]
    assert {thing.name for scene in scenes for thing in scene.objects} == set(NEW)
    assert all(scene.image.shape == (128, 128, 3) for scene in scenes)
