import numpy as np
import pytest
from colours import AREAS, NAMES, flag
from PIL import Image

from ovdet.apis import SemanticResult
from ovdet.apis.draw import class_colour
from ovdet.data.semantic import SemanticDataset, read_label_map
from ovdet.structures import InputError, Vocabulary

PIXELS, LABELS = flag()


def result(labels=LABELS, names=NAMES, image=PIXELS):
    return SemanticResult(labels.astype(np.int32), Vocabulary(tuple(names)), image, "flag.png")


def test_areas_and_shares():
    """105, 94, 25 and 0 of 240 px."""
    found = result()
    assert found.areas.tolist() == list(AREAS)
    assert list(found.shares) == [" red", "blue", "green"]
    assert list(found.shares.values()) == pytest.approx([105 / 240, 94 / 240, 25 / 240])


def test_table():
    assert result().table().splitlines() == [
        "class  share    pixels",
        " red    44 %       105",
        "blue    39 %        94",
        "green   10 %        25",
    ]
    assert result(LABELS * 0 - 1).table() == "nothing found"


def test_what_is_written_is_a_data_set(tmp_path):
    """The maps, the names and the pictures together are what ``SemanticDataset`` reads."""
    Image.fromarray(PIXELS).save(tmp_path / "flag.png")
    found = result()
    found.save_labels(tmp_path / "labels" / "flag.png")
    found.vocabulary.save(tmp_path / "names.json")
    with Image.open(tmp_path / "labels" / "flag.png") as stored:
        assert stored.mode == "L"
    data = SemanticDataset(str(tmp_path / "labels"), str(tmp_path), str(tmp_path / "names.json"))
    assert data.vocabulary.names == NAMES
    assert (data.labels(0) == LABELS).all()


@pytest.mark.parametrize(("classes", "ignored"), [(1, 255), (255, 255), (256, 65_535), (70, 255)])
def test_bits_by_the_number_of_classes(tmp_path, classes, ignored):
    labels = (np.arange(240).reshape(12, 20) % (classes + 1)) - 1
    labels[0, 0] = classes - 1
    found = result(labels, [f"class {i}" for i in range(classes)])
    found.save_labels(tmp_path / "a.png")
    values, none = read_label_map(tmp_path / "a.png")
    assert none == ignored
    assert (np.where(values == none, -1, values) == labels).all()


def test_too_many_classes(tmp_path):
    found = result(names=[str(i) for i in range(65_536)])
    with pytest.raises(InputError, match="at most 65535 classes, got 65536"):
        found.save_labels(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.jpg: must end with \.png, which keeps every value"):
        result().save_labels(tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_the_picture_keeps_its_place_under_the_colours():
    """The flag is enlarged 640 // 20 = 32 times; where there is no class it is as it was."""
    drawn = result().plot()
    assert drawn.shape[1] == 640
    assert drawn.shape[0] > 12 * 32
    colour = 0.6 * np.array(class_colour(" red")) + 0.4 * np.array([255, 0, 0])
    assert np.abs(drawn[40, 500] - colour).max() <= 1
    assert drawn[370, 620].tolist() == [0, 0, 0]
    for name in NAMES[:3]:  # the swatches
        assert (drawn[12 * 32 :] == class_colour(name)).all(axis=2).sum() > 50
    assert not (drawn[12 * 32 :] == class_colour(NAMES[3])).all(axis=2).any()


def test_save(tmp_path):
    result().save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as stored:
        assert (np.asarray(stored) == result().plot()).all()
    with pytest.raises(InputError, match=r"the suffix must be a picture's, as \.png"):
        result().save(tmp_path / "a.json")


def test_bad_maps():
    with pytest.raises(InputError, match=r"must be \[12, 20\] as the picture, got \[20, 12\]"):
        result(LABELS.T)
    for value in (-2, 4):
        with pytest.raises(InputError, match="labels must lie in -1 to 3, got"):
            result(np.where(LABELS == 2, value, LABELS))
