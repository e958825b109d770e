import numpy as np
import pytest
from PIL import Image

from ovdet.evaluation import evaluate_label_maps
from ovdet.structures import InputError, Vocabulary

CLASSES = Vocabulary(("sky", "cat", "grass"), novel=(False, True, False))
TRUTH = {"a/one": [[0, 0, 255, 1]], "two": [[2, 2, 1, 1]]}
FOUND = {"a/one": [[0, 1, 0, 1]], "two": [[2, 2, 2, 255]]}


def store(folder, maps, suffix=".png", kind=np.uint8):
    for name, rows in maps.items():
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.array(rows, kind)).save(path)
    return folder


def check(found):
    # sky: 1 of 2 pixels. cat: 1 right, 2 lost, 1 too many. grass: 2 right, 1 too many.
    assert found["mIoU(S)"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["mIoU(U)"] == pytest.approx(1 / 4)
    assert found["pAcc"] == pytest.approx(4 / 7)


def test_maps_of_one_name_are_compared(tmp_path):
    truth, found = store(tmp_path / "gt", TRUTH), store(tmp_path / "found", FOUND, ".tif")
    check(evaluate_label_maps(truth, found, CLASSES))
    assert evaluate_label_maps(truth, found, CLASSES, classes=True)["IoU/cat"] == 1 / 4


def test_sixteen_bits(tmp_path):
    wide = [
        {name: [[65_535 if v == 255 else v for v in rows[0]]] for name, rows in maps.items()}
        for maps in (TRUTH, FOUND)
    ]
    truth = store(tmp_path / "gt", wide[0], kind=np.uint16)
    check(evaluate_label_maps(truth, store(tmp_path / "8", FOUND), CLASSES))
    check(evaluate_label_maps(truth, store(tmp_path / "16", wide[1], kind=np.uint16), CLASSES))


def test_answers_beyond_the_last_class_fall_into_it(tmp_path):
    truth = store(tmp_path / "gt", TRUTH)
    beyond = {name: [[99 if v == 2 else v for v in rows[0]]] for name, rows in FOUND.items()}
    check(evaluate_label_maps(truth, store(tmp_path / "found", beyond), CLASSES, last=2))


def test_absent_classes_as_told(tmp_path):
    truth = store(tmp_path / "gt", {"one": [[0, 0]]})
    found = store(tmp_path / "found", {"one": [[0, 2]]})
    for absent, expected in (("skip", 1 / 2), ("claimed", 1 / 4), ("zero", 1 / 6)):
        report = evaluate_label_maps(truth, found, CLASSES, absent=absent)
        assert report["mIoU"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({}, "holds no label map"),
        ({"two": FOUND["two"]}, "lacks a map for image a/one"),
        (FOUND | {"x": [[0]], "y": [[0]]}, r"holds a map of the unknown image x \(and 1 more\)"),
        (FOUND | {"two": [[0]]}, r"two.png against .*two.png: found must be \(1, 4\)"),
        (FOUND | {"two": [[0, 0, 0, 7]]}, r"two.png: found must hold classes 0 to 2, got 7"),
        (FOUND | {"two": np.zeros((1, 4, 3))}, r"two.png: must be a label map of one channel"),
    ],
)
def test_bad_predictions(tmp_path, maps, message):
    truth = store(tmp_path / "gt", TRUTH)
    with pytest.raises(InputError, match=message):
        evaluate_label_maps(truth, store(tmp_path / "found", maps), CLASSES)


def test_the_first_wrong_map_is_named_and_the_others_counted(tmp_path):
    truth = store(tmp_path / "gt", TRUTH | {"three": [[0, 1]], "four": [[0, 1]]})
    wrong = FOUND | {"a/one": [[0]], "three": [[7, 1]], "four": [[0, 1]]}
    with pytest.raises(InputError, match=r"a/one\.png against .* \(1, 4\) .* \(and 1 more\)$"):
        evaluate_label_maps(truth, store(tmp_path / "found", wrong), CLASSES)


def test_a_map_stands_once_and_can_be_read(tmp_path):
    truth, found = store(tmp_path / "gt", TRUTH), store(tmp_path / "found", FOUND)
    (found / "two.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"two\.png: cannot be read as an image"):
        evaluate_label_maps(truth, found, CLASSES)
    store(found, {"two": FOUND["two"]}, ".bmp")
    with pytest.raises(InputError, match="must hold each map once"):
        evaluate_label_maps(truth, found, CLASSES)
