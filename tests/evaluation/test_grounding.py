import math

import numpy as np
import pytest
import torch

from ovdet.evaluation import PhraseRecall, evaluate_expressions, evaluate_phrases
from ovdet.structures import InputError, Regions, Sample

# "two dogs" are far apart at the left and right, "a ball" is in the middle, "joy" has no box.
DOGS, BALL = ([0, 0, 10, 10], [30, 0, 10, 10]), [15, 0, 8, 8]
SENTENCES = [
    {
        "image_id": 7,
        "text": "two dogs, a ball, joy",
        "phrases": [
            {"start": 0, "end": 8, "annotation_ids": [1, 2]},
            {"start": 10, "end": 16, "annotation_ids": [3]},
            {"start": 18, "end": 21, "annotation_ids": []},
        ],
    }
]


def truth(sentences=SENTENCES):
    boxes = [*DOGS, BALL]
    return {
        "images": [{"id": 7, "height": 20, "width": 50}],
        "annotations": [
            {"id": i, "image_id": 7, "category_id": 1, "bbox": box}
            for i, box in enumerate(boxes, 1)
        ],
        "categories": [{"id": 1, "name": "thing"}],
        "sentences": sentences,
    }


def result(phrase, box, score, sentence=0):
    box = list(box)
    return {"image_id": 7, "sentence": sentence, "phrase": phrase, "bbox": box, "score": score}


WHOLE = (0, 0, 40, 10)  # around both dogs
NOWHERE = (0, 15, 3, 3)


def test_one_of_the_boxes_or_the_box_around_them():
    found = evaluate_phrases(truth(), [result(0, DOGS[1], 0.5), result(1, BALL, 0.2)], (1,))
    assert found == {"any/recall@1": 1.0, "merged/recall@1": 0.5, "phrases": 2.0}
    found = evaluate_phrases(truth(), [result(0, WHOLE, 0.5), result(1, BALL, 0.2)], (1,))
    assert found == {"any/recall@1": 0.5, "merged/recall@1": 1.0, "phrases": 2.0}


def test_recall_grows_with_the_boxes_looked_at():
    results = [result(0, NOWHERE, 0.9 - i / 10) for i in range(4)]
    results += [result(0, DOGS[0], 0.3), result(1, NOWHERE, 0.1), result(1, BALL, 0.8)]
    found = evaluate_phrases(truth(), results, (1, 4, 5))
    assert [found[f"any/recall@{k}"] for k in (1, 4, 5)] == [0.5, 0.5, 1.0]
    assert [found[f"merged/recall@{k}"] for k in (1, 4, 5)] == [0.5, 0.5, 0.5]


def test_half_is_enough_and_less_is_not():
    half, less = (15, 0, 8, 4), (15, 0, 8, 3.9)
    for box, expected in ((half, 1.0), (less, 0.0)):
        found = evaluate_phrases(truth([SENTENCES[0] | {"phrases": SENTENCES[0]["phrases"][1:]}]),
                                 [result(0, box, 0.5)])  # fmt: skip
        assert found["any/recall@1"] == expected


def test_of_equal_scores_the_earlier_comes_first():
    results = [result(1, BALL, 0.5), result(1, NOWHERE, 0.5)]
    assert evaluate_phrases(truth(), results)["any/recall@1"] == 0.5
    assert evaluate_phrases(truth(), results[::-1])["any/recall@1"] == 0.0


def test_a_phrase_without_results_is_missed_and_one_without_boxes_does_not_count():
    found = evaluate_phrases(truth(), [result(2, BALL, 0.9)])
    assert found["any/recall@10"] == 0
    assert found["phrases"] == 2
    nothing = [SENTENCES[0] | {"phrases": SENTENCES[0]["phrases"][2:]}]
    assert math.isnan(evaluate_phrases(truth(nothing), [])["any/recall@1"])


def expressions(*annotations):
    return truth(
        [
            {
                "image_id": 7,
                "text": "left dog",
                "phrases": [{"start": 0, "end": 8, "annotation_ids": [i]}],
            }
            for i in annotations
        ]
    )


def test_only_the_best_box_of_an_expression_counts():
    results = [
        result(0, DOGS[0], 0.9),
        result(1, NOWHERE, 0.9, 1),
        result(0, DOGS[1], 0.8, 1),
        result(0, BALL, 0.1, 2),
    ]
    results[1]["phrase"] = 0
    found = evaluate_expressions(expressions(1, 2, 3), results)
    assert found == {"accuracy@0.5": pytest.approx(2 / 3), "expressions": 3.0}


def test_an_expression_has_one_box():
    with pytest.raises(InputError, match="one box, sentence 0 has 2"):
        evaluate_expressions(truth(), [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 8}, "result 1 must be of image 7 as its sentence, got 8"),
        ({"sentence": 1}, "result 1: sentence must be 0 to 0, got 1"),
        ({"sentence": "0"}, "result 1 must have a whole number 'sentence', got '0'"),
        ({"phrase": 3}, "phrase must be 0 to 2 in sentence 0, got 3"),
        ({"score": math.nan}, "result 1 must have a finite number 'score', got nan"),
        ({"bbox": [1, 2, 3]}, "result 1 must have a 'bbox' of four finite numbers"),
        ({"bbox": None}, "of four finite numbers x, y, width, height .* got None"),
    ],
)
def test_bad_results(change, message):
    with pytest.raises(InputError, match=message):
        evaluate_phrases(truth(), [result(1, BALL, 0.5), result(1, BALL, 0.5) | change])


def test_the_first_bad_result_is_named_and_the_others_are_counted():
    good, bad = result(1, BALL, 0.5), result(1, BALL, 0.5) | {"phrase": 3}
    with pytest.raises(InputError, match=r"^result 1: phrase must be .*, got 3 \(and 1 more\)$"):
        evaluate_phrases(truth(), [good, bad, good, good | {"score": math.inf}])


def test_the_truth_needs_sentences():
    with pytest.raises(InputError, match="a list 'sentences'"):
        evaluate_phrases({"annotations": []}, [])


def sample(scale=1.0):
    sides = torch.tensor([*DOGS, BALL], dtype=torch.float32)
    boxes = torch.cat([sides[:, :2], sides[:, :2] + sides[:, 2:]], dim=1) * scale
    regions = Regions(boxes, torch.zeros(3, dtype=torch.int64), labels=torch.tensor([0, 0, 1]))
    return Sample(
        torch.zeros(3, 20, 50), 7, "7.jpg", (20, 50), (scale, scale), truth=regions,
        captions=("two dogs, a ball, joy",), phrases=((0, 8), (10, 16), (18, 21)),
    )  # fmt: skip


def predictions(*rows):
    """Of (phrase, score, x, y, width, height)."""
    values = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    boxes = torch.cat([values[:, 2:4], values[:, 2:4] + values[:, 4:]], dim=1)
    owner = torch.zeros(len(rows), dtype=torch.int64)
    return Regions(boxes, owner, scores=values[:, 1], labels=values[:, 0].long())


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_metric_ranks_each_phrase(scale):
    metric = PhraseRecall((1, 2))
    found = predictions((0, 0.2, *DOGS[0]), (1, 0.9, *BALL), (0, 0.8, *NOWHERE), (2, 0.99, *BALL))
    metric.process({"samples": [sample(scale)]}, [found])
    metric.process({"samples": [sample(scale)]}, [predictions((0, 0.5, *WHOLE))])
    assert metric.evaluate(2) == {
        "phrases/any/recall@1": 1 / 4,
        "phrases/any/recall@2": 2 / 4,
        "phrases/merged/recall@1": 2 / 4,
        "phrases/merged/recall@2": 2 / 4,
        "phrases/phrases": 4.0,
    }


def test_each_source_has_figures_of_its_own():
    metric = PhraseRecall((1,))
    for source, box in (("side", BALL), ("side", NOWHERE), ("size", BALL)):
        one = sample()
        one.source = source
        metric.process({"samples": [one]}, [predictions((1, 0.9, *box))])
    figures = metric.evaluate(3)
    # two phrases a sample, of which only the ball's has predictions
    assert figures["phrases/any/recall@1"] == 2 / 6
    assert figures["phrases/side/any/recall@1"] == 1 / 4
    assert figures["phrases/size/any/recall@1"] == 1 / 2
    assert figures["phrases/size/phrases"] == 2.0


def test_the_metric_without_phrases_or_predictions():
    metric = PhraseRecall()
    metric.process({"samples": [sample()]}, [predictions()])
    assert metric.evaluate(1)["phrases/any/recall@10"] == 0
    bare = sample()
    bare.truth = Regions.empty().with_(labels=torch.zeros(0, dtype=torch.int64))
    metric = PhraseRecall()
    metric.process({"samples": [bare]}, [predictions((0, 0.5, *BALL))])
    assert np.isnan(metric.evaluate(1)["phrases/any/recall@1"])


def test_bad_metrics():
    with pytest.raises(InputError, match="tops must be at least 1"):
        PhraseRecall([0])
    with pytest.raises(InputError, match=r"7\.jpg: predictions must have scores"):
        PhraseRecall().process({"samples": [sample()]}, [Regions.empty()])
