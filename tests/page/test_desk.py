import base64
import io
import json

import numpy as np
import pytest
import torch
from colours import ColourSegmentor, flag
from PIL import Image

import ovdet
from ovdet.apis.model import Model, Settings
from ovdet.data.stickers import SceneSpec, render_scene
from ovdet.page.desk import LOWEST, Desk, find
from ovdet.structures import InputError

NAMES = ["  a Cat", "dog", "日本"]


def content(file):
    head, _, data = file["data"].partition(";base64,")
    return head.removeprefix("data:"), base64.b64decode(data)


@pytest.fixture
def desk(photo):
    return Desk().put(photo, photo.name)


def test_a_picture_is_put_down(desk):
    assert desk.pixels.shape == (120, 200, 3)
    shown = desk.show("hello")
    assert (shown["picture"]["width"], shown["picture"]["height"]) == (200, 120)
    assert shown["objects"] is None  # nothing was asked, which is not the same as nothing found
    assert shown["message"] == "hello"


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "x.png: is empty"), (b"hello", "x.png: is not a picture that can be read")],
)
def test_a_broken_picture_is_named_as_its_owner_names_it(tmp_path, data, message):
    path = tmp_path / "3f2a"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        Desk().put(path, "x.png")


def test_labels_come_back_as_they_were_typed(desk, shelf):
    objects = desk.ask(shelf, "first", NAMES).show()["objects"]
    assert [one["label"] for one in objects] == NAMES
    assert [one["score"] for one in objects] == pytest.approx([0.9, 0.45, 0.225])


def test_the_model_is_asked_once_for_all_thresholds(desk, shelf, model):
    asked = desk.ask(shelf, "first", NAMES)
    assert model.asked == [(tuple(NAMES), LOWEST, 300)]
    for threshold in (0.05, 0.3, 0.9):
        asked.write(".json", threshold)
    assert asked.ask(shelf, "first", NAMES) is asked
    assert len(model.asked) == 1
    assert asked.answers("first", NAMES)
    assert not asked.answers("first", NAMES[:1])
    assert not asked.answers("other", NAMES)
    asked.ask(shelf, "first", NAMES[:1])
    assert len(model.asked) == 2


def test_a_model_that_shows_less_sure_things_is_asked_for_them(desk, shelf, model):
    model.settings = Settings(threshold=0.01)
    desk.ask(shelf, "first", ["cat"])
    assert model.asked[0][1] == 0.01


@pytest.mark.parametrize(("threshold", "count"), [(0.05, 3), (0.3, 2), (0.45, 2), (0.95, 0)])
def test_json_holds_what_the_slider_leaves(desk, shelf, threshold, count):
    file = desk.ask(shelf, "first", NAMES).write(".json", threshold)
    kind, data = content(file)
    record = json.loads(data)
    assert (file["name"], kind) == ("my photo_found.json", "application/json")
    assert len(record["annotations"]) == count
    assert [c["name"] for c in record["categories"]] == NAMES
    image = {"id": 1, "file_name": "my photo.png", "width": 200, "height": 120}
    assert record["images"] == [image]
    if count:
        assert record["annotations"][0]["bbox"] == [0, 4, 66, 112]
        assert record["annotations"][0]["area"] == 66 * 112


def test_png_is_the_annotated_picture(desk, shelf):
    asked = desk.ask(shelf, "first", NAMES)
    file = asked.write(".png", 0.3)
    kind, data = content(file)
    assert (file["name"], kind) == ("my photo_found.png", "image/png")
    with Image.open(io.BytesIO(data)) as image:
        assert (np.array(image) == asked.result.filter(min_score=0.3).plot()).all()


def test_another_picture_clears_what_was_found(desk, shelf, photo):
    again = desk.ask(shelf, "first", NAMES).put(photo, "b.png")
    assert again.result is None
    assert not again.answers("first", NAMES)


def test_no_name_clears_too(desk, shelf):
    cleared = desk.ask(shelf, "first", NAMES).clear()
    assert cleared.show()["objects"] is None
    assert cleared.pixels is desk.pixels


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "type a name first"),
        (["cat", " "], "class 1 must not be blank"),
        (["cat", "cat"], "'cat' twice"),
        ([1], "class 0 must be text"),
    ],
)
def test_names_that_are_none(desk, shelf, names, message):
    with pytest.raises(InputError, match=message):
        desk.ask(shelf, "first", names)


def test_without_a_picture_there_is_nothing_to_ask_or_write(shelf):
    with pytest.raises(InputError, match="drop a picture first"):
        Desk().ask(shelf, "first", NAMES)
    with pytest.raises(InputError, match="nothing to download"):
        Desk().write(".png", 0.3)


def test_a_drawn_box_is_asked_for(desk, shelf, model):
    drawn = desk.draw("thing", [10, 20, 50, 60]).draw("dog", [0, 0, 300, 500])
    asked = drawn.draw("thing", [60, 20, 90, 60]).ask(shelf, "first", ["cat", "dog"])
    cat, dog, thing = model.asked[0][0]
    assert cat == "cat"
    assert (dog.label, dog.words) == ("dog", ("dog",))  # typed and drawn: word and picture
    assert dog.shown[0].boxes == ((0, 0, 200, 120),)  # cut to the picture
    assert (thing.label, thing.words) == ("thing", ())  # drawn alone: the picture alone
    assert [shown.boxes for shown in thing.shown] == [((10, 20, 50, 60),), ((60, 20, 90, 60),)]
    assert thing.shown[0].picture is desk.pixels
    assert asked.result.labels == ["cat", "dog", "thing"]
    assert [one["label"] for one in asked.show()["examples"]] == ["thing", "dog", "thing"]


def test_an_example_is_shown_small(desk):
    _, data = desk.draw("x", [10, 20, 190, 110]).show()["examples"][0]["source"].split(",")
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (96, 48)


def test_examples_outlive_the_picture_and_can_be_forgotten(desk, shelf, photo):
    drawn = desk.draw("thing", [10, 20, 50, 60])
    asked = drawn.ask(shelf, "first", [])
    assert asked.draw("other", [1, 1, 9, 9]).answers("first", []) is False
    again = asked.put(photo, "b.png")
    assert again.examples == drawn.examples
    assert again.forget("thing").examples == ()


@pytest.mark.parametrize(
    ("label", "box", "message"),
    [
        (" ", [1, 1, 9, 9], "label must not be blank"),
        ("x", [9, 1, 1, 9], "x1 < x2"),
        ("x", [300, 1, 400, 9], "x1 < x2"),
        (7, [1, 1, 9, 9], "label must be text"),
    ],
)
def test_boxes_that_show_nothing(desk, label, box, message):
    with pytest.raises(InputError, match=message):
        desk.draw(label, box)


def test_nothing_can_be_drawn_on_nothing():
    with pytest.raises(InputError, match="drop a picture first"):
        Desk().draw("x", [1, 1, 9, 9])


def segmentor(tasks):
    module = ColourSegmentor("semantic")
    module.tasks = tasks
    return Model(module, Settings(short=12, max=100), torch.device("cpu"), "colours")


def test_a_segmentor_is_asked_for_objects():
    found = find(segmentor(("semantic", "instance")), flag()[0], ["blue", "green"])
    assert found.labels == ["blue", "green"]
    assert found.scores.tolist() == pytest.approx([0.8, 0.4])
    assert found.rles is not None


def test_a_segmentor_of_maps_is_refused():
    with pytest.raises(InputError, match="colours gives maps, not objects"):
        find(segmentor(("semantic",)), flag()[0], ["blue"])


def test_sifting_gives_what_asking_gives():
    """What the slider leaves is what the model would have said with that threshold."""
    names = ["cat", "pizza", "umbrella"]
    scene = render_scene(np.random.default_rng(3), SceneSpec(objects=(3, 3), sizes=(36, 64)), names)
    tiny = ovdet.load("ovdet-tiny", device="cpu")
    all_of_it = find(tiny, scene.image, names)
    for threshold in (0.1, 0.3, 0.7):
        asked = tiny.detect(scene.image, names, threshold=threshold)
        sifted = all_of_it.filter(min_score=threshold)
        assert len(asked) > 0
        assert sifted.labels == asked.labels
        assert np.allclose(sifted.boxes, asked.boxes)
        assert sifted.rles == asked.rles
