import contextlib
import io
import math

import numpy as np
import pytest
from detections import coco, result, scattered

from ovdet.evaluation import detection_calibration
from ovdet.evaluation.calibration import calibrate, suggest_thresholds
from ovdet.structures import InputError


def arrays(label, score, right):
    return np.array(label, np.int64), np.array(score, float), np.array(right, bool)


def test_the_error_by_hand():
    # Two bins: scores 0.1, 0.3 with none right, 0.5, 0.9, 1.0 with two of three right.
    seen = arrays([0, 0, 1, 1, 1], [0.1, 0.3, 0.5, 0.9, 1.0], [0, 0, 0, 1, 1])
    found = calibrate(*seen, 3, bins=2)
    assert found.count.tolist() == [2, 3]
    assert found.score.tolist() == pytest.approx([0.2, 0.8])
    assert found.precision.tolist() == pytest.approx([0, 2 / 3])
    assert found.error == pytest.approx(2 / 5 * 0.2 + 3 / 5 * (0.8 - 2 / 3))
    assert found.class_error[:2].tolist() == pytest.approx([0.2, 0.8 - 2 / 3])
    assert math.isnan(found.class_error[2])


def test_scores_that_are_the_precision_have_no_error():
    found = calibrate(*arrays([0] * 4, [0.25] * 4, [1, 0, 0, 0]), 1)
    assert found.error == pytest.approx(0)
    assert found.count.sum() == 4
    assert np.isnan(found.precision).sum() == 9


@pytest.mark.parametrize("seed", range(3))
def test_hotcoco_finds_the_same_error(seed):
    import hotcoco

    truth, results = scattered(seed)
    with contextlib.redirect_stdout(io.StringIO()):
        gt = hotcoco.COCO({"info": {}, **{k: [dict(e) for e in truth[k]] for k in truth}})
        evaluator = hotcoco.COCOeval(gt, gt.loadRes([dict(r) for r in results]), "bbox")
        evaluator.evaluate()
    reference = evaluator.calibration()
    found, _ = detection_calibration(truth, results)
    assert found.error == pytest.approx(reference["ece"])
    assert found.count.tolist() == [b["count"] for b in reference["bins"]]


def test_the_best_f1_by_hand():
    # 4 objects. Cuts behind each score: F1 2/5, 4/6, 4/7, 6/8, 6/9.
    seen = arrays([0] * 5, [0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 1, 0])
    found = suggest_thresholds(*seen, np.array([4]))
    assert found.score[0] == 0.6
    assert found.f1[0] == pytest.approx(3 / 4)
    assert found.precision[0] == found.recall[0] == pytest.approx(3 / 4)


def test_equal_scores_stand_or_fall_together():
    found = suggest_thresholds(*arrays([0] * 3, [0.9, 0.9, 0.2], [1, 0, 1]), np.array([2]))
    # At 0.9 both count: F1 2/4. With all three: 4/5.
    assert found.score[0] == 0.2
    assert found.f1[0] == pytest.approx(4 / 5)


def test_classes_that_are_never_right_or_never_there():
    found = suggest_thresholds(*arrays([0, 2], [0.9, 0.8], [0, 0]), np.array([1, 3, 0]))
    assert np.isnan(found.score).all()
    assert found.f1[:2].tolist() == found.recall[:2].tolist() == [0, 0]
    assert math.isnan(found.f1[2])


def test_it_is_the_detections_that_are_judged():
    truth = coco([(1, 5, 0, 0, 10, 10)])
    results = [result(1, 5, (0, 0, 10, 8), 0.75), result(1, 5, (30, 30, 5, 5), 0.25)]
    found, thresholds = detection_calibration(truth, results, bins=2)
    assert found.precision.tolist() == [0.0, 1.0]
    assert thresholds.score[found.class_error == 0.25].tolist() == [0.75]
    strict, _ = detection_calibration(truth, results, bins=2, threshold=0.9)
    assert strict.precision.tolist() == [0.0, 0.0]


def test_nothing_found():
    found, thresholds = detection_calibration(coco([(1, 5, 0, 0, 10, 10)]), [])
    assert math.isnan(found.error)
    assert np.nansum(thresholds.f1) == 0


def test_wrong_questions():
    truth = coco([(1, 5, 0, 0, 10, 10)])
    with pytest.raises(InputError, match=r"must be in \[0, 1\] to be calibrated, got 1.5"):
        detection_calibration(truth, [result(1, 5, (0, 0, 10, 10), 1.5)])
    with pytest.raises(InputError, match="bins must be at least 1, got 0"):
        detection_calibration(truth, [], bins=0)
