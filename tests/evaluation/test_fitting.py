import math

import numpy as np
import pytest

from ovdet.evaluation.fitting import f1_at, fit_temperature, fit_thresholds

LABEL = np.array([0, 0, 0, 0, 1])
SCORE = np.array([0.9, 0.8, 0.6, 0.2, 0.5])
RIGHT = np.array([True, True, False, False, True])
POSITIVES = np.array([2, 1, 0])


def test_a_temperature_in_closed_form():
    """With logits +-a and a share q right at +a, 1 - q at -a, the best is a / logit(q)."""
    score = np.array([0.9] * 4 + [0.1] * 4)
    right = np.array([True, True, True, False, True, False, False, False])
    assert fit_temperature(score, right) == pytest.approx(math.log(9) / math.log(3), rel=1e-6)


def test_sure_and_right_needs_the_least_temperature():
    assert fit_temperature(np.array([0.9, 0.1]), np.array([True, False])) == pytest.approx(0.05)
    assert fit_temperature(np.array([0.9, 0.1]), np.array([False, True])) == pytest.approx(20)
    assert fit_temperature(np.zeros(0), np.zeros(0, bool)) == 1.0


def test_thresholds_by_hand():
    """Best F1: class 0 at 0.8, next 0.6; class 1 at 0.5, next the floor 0.1; class 2 never found.

    Of all together: at 0.9 F1 is 2 / 4, at 0.8 4 / 5, at 0.6 4 / 6, at 0.5 6 / 7, at 0.2 6 / 8.
    """
    found = fit_thresholds(LABEL, SCORE, RIGHT, POSITIVES, floor=0.1)
    every = (0.5 + 0.2) / 2
    expected = [(2 * 0.7 + 5 * every) / 7, (0.3 + 5 * every) / 6, every]
    assert found == pytest.approx(expected)


def test_nothing_right_gives_no_threshold():
    assert np.isnan(fit_thresholds(LABEL, SCORE, np.zeros(5, bool), POSITIVES)).all()


def test_f1_by_hand():
    least = np.array([0.7, 0.6, 0.0])  # keeps two right ones of three objects
    assert f1_at(LABEL, SCORE, RIGHT, POSITIVES, least) == pytest.approx(4 / 5)
    empty = np.zeros(0)
    nothing = (empty.astype(int), empty, empty.astype(bool), np.array([0]))
    assert f1_at(*nothing, np.zeros(1)) == 0
