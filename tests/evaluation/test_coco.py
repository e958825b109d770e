import math

import numpy as np
import pytest
from detections import IDS, coco, draw, result

from ovdet.evaluation import class_agnostic_average_recall, evaluate_coco
from ovdet.evaluation.coco import MEASURES
from ovdet.structures import InputError


def random_world(seed):
    """Twelve images with objects, and results that are partly near them."""
    rng = np.random.default_rng(seed)
    truth, results = [], []
    for image in range(1, 13):
        for _ in range(rng.integers(0, 6)):
            box = [*rng.integers(0, 20, 2).tolist(), *rng.integers(3, 18, 2).tolist()]
            category = int(rng.choice(IDS[:3]))
            truth.append((image, category, *box))
            for _ in range(rng.integers(0, 3)):
                moved = [max(value + int(rng.integers(-2, 3)), 1) for value in box]
                guess = category if rng.random() < 0.7 else int(rng.choice(IDS))
                results.append(result(image, guess, moved, round(float(rng.random()), 2)))
    world = coco(truth, images=12)
    for annotation in world["annotations"][::7]:
        annotation["iscrowd"] = 1
    return world, results


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(4))
def test_both_backends_agree(kind, seed):
    truth, results = random_world(seed)
    ours = evaluate_coco(truth, results, kind, [9], classes=True)
    reference = evaluate_coco(truth, results, kind, [9], backend="pycocotools", classes=True)
    assert ours.keys() == reference.keys()
    assert {key.split("/")[1] for key in ours if key.startswith("all/")} == set(MEASURES)
    assert 0.05 < ours["all/AP50"] < 0.95
    for key, value in ours.items():
        assert value == pytest.approx(reference[key], abs=1e-12, nan_ok=True), key


@pytest.mark.parametrize("backend", ["hotcoco", "pycocotools"])
def test_groups_are_means_over_classes_with_truth(backend):
    truth = coco([(1, 5, 0, 0, 10, 10), (1, 2, 20, 20, 10, 10), (1, 9, 0, 20, 10, 10)])
    results = [
        result(1, 5, (0, 0, 10, 10), 0.9),  # right
        result(1, 2, (0, 0, 10, 10), 0.8),  # wrong place
        result(1, 9, (0, 20, 10, 8), 0.7),  # IoU 0.8: counts at 7 of 10 thresholds
        result(1, 4, (0, 20, 10, 8), 0.7),  # a class without truth counts nowhere
    ]
    found = evaluate_coco(truth, results, "bbox", [9, 4], backend=backend)
    assert found["base/AP50"] == pytest.approx(0.5)
    assert found["novel/AP50"] == found["novel/AP75"] == pytest.approx(1.0)
    assert found["novel/AP"] == pytest.approx(0.7)
    assert found["all/AP50"] == pytest.approx(2 / 3)
    recall = class_agnostic_average_recall(truth, results, backend=backend)
    assert recall == pytest.approx((1 + 0 + 0.7) / 3)


def test_the_class_does_not_matter_for_recall():
    truth = coco([(1, 5, 0, 0, 10, 10)])
    results = [result(1, 2, (0, 0, 10, 10), 0.5)]
    assert evaluate_coco(truth, results)["all/AP"] == 0
    assert class_agnostic_average_recall(truth, results) == pytest.approx(1.0)


@pytest.mark.parametrize("backend", ["hotcoco", "pycocotools"])
@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_no_results_score_nothing(backend, kind):
    found = evaluate_coco(coco([(1, 5, 0, 0, 10, 10)]), [], kind, [9], backend=backend)
    assert found["all/AP"] == found["base/AP50"] == found["all/AR100"] == 0
    assert math.isnan(found["novel/AP"])


@pytest.mark.parametrize("backend", ["hotcoco", "pycocotools"])
def test_no_truth_measures_nothing(backend):
    results = [result(1, 5, (0, 0, 10, 10), 0.9)]
    found = evaluate_coco(coco([]), results, backend=backend)
    assert all(math.isnan(value) for value in found.values())


def test_one_class():
    truth = coco([(1, 5, 0, 0, 10, 10)], categories=(5,))
    found = evaluate_coco(truth, [result(1, 5, (0, 0, 10, 10), 0.9)], novel_ids=[5])
    assert found["novel/AP"] == pytest.approx(1.0)
    assert math.isnan(found["base/AP"])


def test_the_inputs_are_left_alone():
    truth, results = random_world(0)
    before = (repr(truth), repr(results))
    for backend in ("hotcoco", "pycocotools"):
        evaluate_coco(truth, results, "segm", backend=backend)
    assert (repr(truth), repr(results)) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "keypoints"}, "kind must be one of"),
        ({"backend": "other"}, "backend must be one of"),
        ({"results": [result(8, 5, (0, 0, 1, 1), 1.0)]}, "image_id 8 is not in the truth"),
    ],
)
def test_wrong_questions(change, message):
    with pytest.raises(InputError, match=message):
        evaluate_coco(**({"truth": coco([]), "results": [], "kind": "bbox"} | change))


def test_masks_need_masks():
    truth = coco([(1, 5, 0, 0, 10, 10)])
    del truth["annotations"][0]["segmentation"]
    with pytest.raises(InputError, match="annotation 1 of the truth has none"):
        evaluate_coco(truth, [result(1, 5, (0, 0, 10, 10), 0.9)], "segm")


def test_both_habits_of_all():
    """Two base classes and one novel one; a base class without truth makes the difference."""
    truth = coco([(1, 5, 0, 0, 10, 10), (1, 9, 0, 20, 10, 10)], categories=(5, 2, 9))
    results = [result(1, 5, (0, 0, 10, 10), 0.9), result(1, 9, (20, 20, 10, 10), 0.9)]
    found = evaluate_coco(truth, results, novel_ids=[9])
    assert found["all/AP50"] == pytest.approx(1 / 2)  # of the two classes with truth
    assert found["weighted/AP50"] == pytest.approx((2 * 1 + 1 * 0) / 3)
    assert not [key for key in evaluate_coco(truth, results) if key.startswith("weighted")]


def test_sizes_are_those_of_the_masks():
    """A thin mask in a large box is small; its box alone would make it medium."""
    truth = coco([(1, 5, 0, 0, 40, 40)])
    thin = draw((0, 0, 40, 10))
    truth["annotations"][0] |= {"segmentation": thin, "area": 400}
    results = [result(1, 5, (0, 0, 40, 40), 0.9) | {"segmentation": thin}]
    stray = result(1, 5, (0, 0, 40, 40), 0.95) | {"segmentation": draw((0, 20, 40, 10))}
    for backend in ("hotcoco", "pycocotools", "numpy"):
        found = evaluate_coco(truth, [stray, *results], "segm", backend=backend)
        assert found["all/APs"] == pytest.approx(0.5)  # the stray mask is small, so it counts
        assert math.isnan(found["all/APm"])


def test_boundaries_are_stricter_than_masks():
    truth = coco([(1, 5, 0, 0, 30, 30)])
    results = [result(1, 5, (0, 0, 28, 28), 0.9)]
    # Outlines 1 px wide: none of the guess's right and lower edge is the object's.
    shared, union = 28 + 27, (4 * 30 - 4) + (4 * 28 - 4) - (28 + 27)
    assert evaluate_coco(truth, results, "segm")["all/AP75"] == pytest.approx(1.0)
    assert shared / union < 0.5
    assert evaluate_coco(truth, results, "boundary")["all/AP50"] == 0.0


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_single_classes(kind):
    truth, results = random_world(1)
    found = evaluate_coco(truth, results, kind, classes=True)
    single = [found[f"AP/class {i}"] for i in IDS if f"AP/class {i}" in found]
    assert len(single) >= 2
    assert np.mean(single) == pytest.approx(found["all/AP"])
