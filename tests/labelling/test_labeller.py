import numpy as np
import pytest
from PIL import Image
from quick_labels import FAILING, NAMES, QuickModel, paint

from ovdet.labelling import Question
from ovdet.labelling.labeller import Labeller
from ovdet.structures import InputError, Vocabulary


@pytest.fixture
def labeller():
    return Labeller(QuickModel(), Question(Vocabulary.of(NAMES), threshold=0.5))


def test_records_are_coco_results(labeller, tmp_path):
    paint(tmp_path, 4)
    (record,) = labeller([(7, str(tmp_path / "003.png"))])
    # red 3: scores 0.9, 0.6, 0.3 of which two pass; green 21, blue 33: no offset, classes 0 and 1
    assert (record["index"], record["size"]) == (7, [16, 24])
    assert [found["score"] for found in record["objects"]] == [0.9, 0.6]
    assert [found["category_id"] for found in record["objects"]] == [1, 2]
    assert [found["bbox"] for found in record["objects"]] == [[0, 0, 12, 8], [1, 1, 12, 8]]
    assert "image_id" not in record["objects"][0]


def test_pictures_are_upright(labeller, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (24, 16)).save(tmp_path / "a.jpg", exif=exif)
    (record,) = labeller([(0, str(tmp_path / "a.jpg"))])
    assert record["size"] == [24, 16]


def test_bad_files_say_why_and_the_others_are_done(labeller, tmp_path):
    paint(tmp_path, 2)
    (tmp_path / "empty.jpg").touch()
    names = ["000.png", "empty.jpg", "missing.png", "001.png"]
    records = labeller([(i, str(tmp_path / name)) for i, name in enumerate(names)])
    by_index = {record["index"]: record for record in records}
    assert by_index[1]["bad"] == "is empty, a picture was expected"
    assert by_index[2]["bad"] == "cannot be read: No such file or directory"
    assert "objects" in by_index[0]
    assert "objects" in by_index[3]


def test_a_picture_that_the_model_cannot_do_does_not_spoil_its_batch(labeller, tmp_path):
    paint(tmp_path, 2)
    Image.new("RGB", (8, 8), (FAILING, 0, 0)).save(tmp_path / "no.png")
    names = ["000.png", "no.png", "001.png"]
    records = labeller([(i, str(tmp_path / name)) for i, name in enumerate(names)])
    assert [record.get("bad") for record in records] == [
        None,
        "the model failed: the layer has no memory",
        None,
    ]


def test_nothing_gives_nothing(labeller):
    assert labeller([]) == []


def test_a_model_that_cannot_be_asked_is_refused_at_once():
    class Segmentor:
        def detect(self, *_, **__):
            raise InputError("it is a segmentor")

    with pytest.raises(InputError, match="it is a segmentor"):
        Labeller(Segmentor(), Question(Vocabulary.of(NAMES)))


def test_the_trial_picture_is_small_and_grey():
    seen = []

    class Watcher(QuickModel):
        def detect(self, images, vocabulary, **how):
            seen.extend(images)
            return super().detect(images, vocabulary, **how)

    Labeller(Watcher(), Question(Vocabulary.of(NAMES)))
    assert [image.shape for image in seen] == [(32, 32, 3)]
    assert np.ptp(seen[0]) == 0
