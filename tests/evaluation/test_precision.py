import math

import numpy as np
import pytest

from ovdet.evaluation.precision import RECALLS, mean_known, precision_curves


def curves(label, score, right, positives):
    arrays = np.array(label, np.int64), np.array(score, float), np.array(right, bool)
    return precision_curves(*arrays, np.array(positives))


def test_a_curve_by_hand():
    # In order of score right, wrong, right: precision 1, 1/2, 2/3 at recall 1/4, 1/4, 1/2.
    (found,) = curves([0, 0, 0], [0.9, 0.2, 0.5], [True, True, False], [4])
    expected = np.where(RECALLS <= 0.25, 1.0, np.where(RECALLS <= 0.5, 2 / 3, 0.0))
    assert found == pytest.approx(expected)


def test_classes_do_not_mix():
    found = curves([1, 0, 1], [0.9, 0.8, 0.7], [False, True, True], [1, 1, 2, 0]).mean(axis=1)
    assert found[0] == pytest.approx(1.0)
    assert found[1] == pytest.approx(0.5)
    assert found[2] == 0  # objects, but nothing found
    assert math.isnan(found[3])  # nothing to find


def test_of_equal_scores_the_earlier_comes_first():
    first, second = (curves([0, 0], [0.5, 0.5], right, [1]).mean() for right in ([1, 0], [0, 1]))
    assert first == pytest.approx(1.0)
    assert second == pytest.approx(0.5)


def test_what_is_unknown_is_left_out_of_a_mean():
    assert mean_known(np.array([1.0, np.nan, 0.0])) == 0.5
    assert math.isnan(mean_known(np.array([np.nan])))
