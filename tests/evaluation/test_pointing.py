import math

import numpy as np
import pytest
import torch

from ovdet.evaluation import PhrasePointing, covered_share, pointing_hits
from ovdet.structures import InputError, Regions, Sample

LEFT, RIGHT = [0.0, 0, 10, 10], [30.0, 0, 40, 10]


def boxes(*sides):
    return np.array(sides, float).reshape(-1, 4)


def test_a_point_in_any_box_of_the_phrase_hits():
    points = np.array([[35.0, 5], [20, 5], [5, 5], [np.nan, np.nan]])
    targets = [boxes(LEFT, RIGHT), boxes(LEFT, RIGHT), boxes(RIGHT), boxes(LEFT)]
    assert pointing_hits(points, targets).tolist() == [True, False, False, False]


def test_edges_belong_to_a_box_and_a_margin_grows_it():
    points = np.array([[10.0, 10], [12, 10], [12, 13]])
    targets = [boxes(LEFT)] * 3
    assert pointing_hits(points, targets).tolist() == [True, False, False]
    assert pointing_hits(points, targets, margin=2).tolist() == [True, True, False]


def test_no_phrase():
    assert pointing_hits(np.zeros((0, 2)), []).tolist() == []


def test_what_boxes_cover_is_counted_once():
    assert covered_share(boxes(LEFT), 40, 20) == pytest.approx(100 / 800)
    assert covered_share(boxes(LEFT, [5, 5, 15, 15]), 40, 20) == pytest.approx(175 / 800)
    assert covered_share(boxes(LEFT, LEFT, RIGHT), 40, 20) == pytest.approx(200 / 800)
    assert covered_share(boxes([-10, -10, 100, 5]), 40, 20) == pytest.approx(200 / 800)
    assert covered_share(boxes([0, 0, 40, 20]), 40, 20) == 1


def test_covered_share_is_that_of_painted_pixels():
    rng = np.random.default_rng(0)
    for _ in range(20):
        corners = rng.integers(0, 30, (4, 2, 2))
        sides = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        painted = np.zeros((30, 30), bool)
        for x1, y1, x2, y2 in sides:
            painted[y1:y2, x1:x2] = True
        assert covered_share(sides.astype(float), 30, 30) == pytest.approx(painted.mean())


def sample(scale=1.0):
    """Two dogs at both ends, and a ball in the middle; "joy", phrase 2, has no box."""
    found = torch.tensor([LEFT, RIGHT, [15.0, 0, 23, 8]]) * scale
    truth = Regions(found, torch.zeros(3, dtype=torch.int64), labels=torch.tensor([0, 0, 1]))
    text = "two dogs, a ball, joy"
    return Sample(
        torch.zeros(3, int(20 * scale), int(40 * scale)),
        0,
        original_size=(20, 40),
        scale=(scale, scale),
        truth=truth,
        captions=(text,),
        phrases=((0, 8), (10, 16), (18, 21)),
    )


def answers(*found):
    """Return regions from (phrase, middle x, middle y, score)."""
    sides = torch.tensor([[x - 1, y - 1, x + 1, y + 1] for _, x, y, _ in found]).reshape(-1, 4)
    return Regions(
        sides.float(),
        torch.zeros(len(found), dtype=torch.int64),
        scores=torch.tensor([score for *_, score in found]),
        labels=torch.tensor([phrase for phrase, *_ in found], dtype=torch.int64),
    )


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_best_region_of_a_phrase_points(scale):
    metric = PhrasePointing()
    given = answers((0, 35, 5, 0.4), (0, 20, 15, 0.3), (1, 35, 5, 0.9), (2, 1, 1, 0.5))
    metric.process({"samples": [sample(scale)]}, [given])
    found = metric.evaluate(1)
    assert found["pointing/accuracy"] == 0.5  # the dogs; the ball's point is on a dog
    assert found["pointing/phrases"] == 2
    assert found["pointing/chance"] == pytest.approx((200 / 800 + 64 / 800) / 2)


def test_a_margin_in_px_of_the_stored_picture():
    metric = PhrasePointing(margin=2)
    metric.process({"samples": [sample(2.0)]}, [answers((0, 12, 5, 0.4), (1, 13, 9, 0.9))])
    found = metric.evaluate(1)
    assert found["pointing/accuracy"] == 1
    assert found["pointing/chance"] == pytest.approx((2 * 12 * 12 / 800 + 12 * 10 / 800) / 2)


def test_an_unanswered_phrase_is_missed():
    metric = PhrasePointing()
    metric.process({"samples": [sample()]}, [answers((1, 18, 4, 0.9))])
    metric.process({"samples": [sample()]}, [answers()])
    assert metric.evaluate(2)["pointing/accuracy"] == 0.25


def test_no_phrase_has_a_box():
    nothing = sample()
    nothing.truth = nothing.truth[:0]
    metric = PhrasePointing()
    metric.process({"samples": [nothing]}, [answers()])
    found = metric.compute_metrics(metric.results)
    assert found["phrases"] == 0
    assert math.isnan(found["accuracy"])


def test_answers_need_scores_and_the_margin_a_sign():
    with pytest.raises(InputError, match="must have scores and labels"):
        PhrasePointing().process({"samples": [sample()]}, [answers().with_(scores=None)])
    with pytest.raises(InputError, match="at least 0 px, got -1"):
        PhrasePointing(margin=-1)
