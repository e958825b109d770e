import json

import pytest
from detections import coco, result

from ovdet.evaluation import evaluate_sets, read_sets
from ovdet.structures import InputError

RIGHT = (coco([(1, 5, 0, 0, 10, 10)]), [result(1, 5, (0, 0, 10, 10), 0.9)])
HALF = (
    coco([(1, 5, 0, 0, 10, 10), (1, 9, 20, 20, 10, 10)]),
    [result(1, 5, (0, 0, 10, 10), 0.9), result(1, 5, (30, 0, 5, 5), 0.1)],
)
CLOSE = (coco([(1, 5, 0, 0, 10, 10)]), [result(1, 5, (0, 0, 10, 8), 0.9)])  # IoU 0.8: 7 of 10


def test_each_set_counts_alike():
    found = evaluate_sets([("a", *RIGHT), ("b", *HALF), ("c", *CLOSE)])
    assert found["a/AP"] == pytest.approx(1.0)
    assert found["b/AP"] == pytest.approx(0.5)
    assert found["c/AP"] == pytest.approx(0.7)
    assert found["mean/AP"] == pytest.approx((1 + 0.5 + 0.7) / 3)
    assert found["mean/AP50"] == found["mean/AP75"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert found["sets"] == 3


def store(folder, sets):
    for name, (truth, results) in sets.items():
        for side, record in (("gt", truth), ("found", results)):
            path = folder / side / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(record))
    return folder / "gt", folder / "found"


def test_sets_are_found_by_their_names(tmp_path):
    truth, found = store(tmp_path, {"deer/test": RIGHT, "cards": HALF})
    (truth / "deer/train.json").write_text("{}")  # without results: not measured
    figures = evaluate_sets(read_sets(truth, found))
    assert figures["mean/AP"] == pytest.approx(0.75)
    assert {"deer/test/AP", "cards/AP"} < set(figures)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([], "at least one set"),
        ([("a", *RIGHT), ("a", *HALF)], "a: each set must stand once"),
        ([("empty", coco([]), [])], "empty: must hold an object"),
        ([("bad", RIGHT[0], [result(4, 5, (0, 0, 1, 1), 0.5)])], "bad: result 0"),
    ],
)
def test_bad_sets(sets, message):
    with pytest.raises(InputError, match=message):
        evaluate_sets(sets)


def test_bad_folders(tmp_path):
    truth, found = store(tmp_path, {"cards": HALF})
    (found / "other.json").write_text("[]")
    with pytest.raises(InputError, match=r"other\.json: has no truth"):
        evaluate_sets(read_sets(truth, found))
    with pytest.raises(InputError, match="holds no results"):
        evaluate_sets(read_sets(truth, tmp_path / "nowhere"))
