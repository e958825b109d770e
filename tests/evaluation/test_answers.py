import math

import pytest
import torch
import torch.nn.functional as F

from ovdet.evaluation import evaluate_classification, evaluate_retrieval, retrieval_recall
from ovdet.structures import InputError

TRUTH = {
    "images": [{"id": 1}, {"id": 2}, {"id": 3}],
    "annotations": [{"image_id": 1, "category_id": 7}, {"image_id": 2, "category_id": 8}],
    "categories": [{"id": 7}, {"id": 8}, {"id": 9}],
}


def answer(image, category, score):
    return {"image_id": image, "category_id": category, "score": score}


def test_given_classes_are_ranked_by_score():
    results = [answer(1, 7, 0.2), answer(1, 9, 0.9), answer(2, 8, 0.6), answer(3, 7, 0.9)]
    found = evaluate_classification(TRUTH, results, (1, 2))
    assert found == {"top1": 0.5, "top2": 1.0, "images": 2.0}
    level = [answer(2, 8, 0.6), answer(2, 9, 0.6)]  # and nothing for image 1
    assert evaluate_classification(TRUTH, level, (1, 2)) == {
        "top1": 0.0,
        "top2": 0.5,
        "images": 2.0,
    }
    assert math.isnan(evaluate_classification(TRUTH | {"annotations": []}, [])["top1"])


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (answer(4, 7, 0.5), "result 0 names image_id 4"),
        (answer(1, 6, 0.5), "result 0 names category_id 6"),
        (answer(1, 7, math.nan), "result 0 must have a finite number 'score', got nan"),
        (answer(1, 7, "high"), "got 'high'"),
    ],
)
def test_bad_answers(result, message):
    with pytest.raises(InputError, match=message):
        evaluate_classification(TRUTH, [result])


def test_an_image_has_one_class():
    twice = TRUTH["annotations"] + [{"image_id": 1, "category_id": 8}]
    with pytest.raises(InputError, match="image 1 has several"):
        evaluate_classification(TRUTH | {"annotations": twice}, [])


def test_the_first_wrong_answer_is_named_and_the_others_counted():
    results = [answer(1, 7, 0.5), answer(4, 7, 0.5), answer(1, 6, 0.5), answer(1, 7, math.nan)]
    with pytest.raises(InputError, match=r"^result 1 names image_id 4, .* \(and 2 more\)$"):
        evaluate_classification(TRUTH, results)


CAPTIONED = [{"id": 5, "captions": ["a cat", "a pet"]}, {"id": 3, "caption": "a dog"}]


def texts_of(image, *captions):
    return {"image_id": image, "captions": list(captions)}


def images_of(caption, *images):
    return {"caption": caption, "image_ids": list(images)}


def test_rankings_by_hand():
    results = [texts_of(5, 2, 1, 0), texts_of(3, 2), images_of(0, 5), images_of(1, 3, 5)]
    assert evaluate_retrieval(CAPTIONED, results, (1, 2)) == {
        "image_to_text@1": 1 / 2,
        "image_to_text@2": 1.0,
        "text_to_image@1": 1 / 3,  # nothing was found for the third sentence
        "text_to_image@2": 2 / 3,
        "images": 2.0,
        "captions": 3.0,
    }
    one_way = evaluate_retrieval(CAPTIONED, results[:2])
    assert math.isnan(one_way["text_to_image@1"])
    assert math.isnan(evaluate_retrieval(CAPTIONED, [])["image_to_text@10"])


def test_rankings_give_the_figures_of_embeddings():
    rng = torch.Generator().manual_seed(0)
    images = F.normalize(torch.randn(40, 4, generator=rng, dtype=torch.float64), dim=1)
    owner = torch.arange(40).repeat_interleave(2)
    texts = F.normalize(images[owner] + torch.randn(80, 4, generator=rng), dim=1)
    truth = [{"captions": ["a", "b"]} for _ in range(40)]
    similarity = images @ texts.T
    results = [texts_of(i, *row) for i, row in enumerate(similarity.topk(10).indices.tolist())] + [
        images_of(i, *row) for i, row in enumerate(similarity.T.topk(10).indices.tolist())
    ]
    found = evaluate_retrieval(truth, results)
    expected = retrieval_recall(images, texts, owner=owner)
    assert 0 < expected["image_to_text@1"] < expected["image_to_text@10"] < 1
    assert found == pytest.approx(expected | {"images": 40.0, "captions": 80.0})


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (texts_of(4, 0), "result 0 asks for 4, unknown to the truth"),
        (texts_of(5, 0, 3), "result 0 ranks 3, unknown"),
        (texts_of(5, 0, "1"), "result 0 ranks '1', unknown"),
        (texts_of(5, 0, 0), "result 0 must rank each answer once"),
        (texts_of(5.0, 0), "must have a whole number 'image_id'"),
        (images_of(3, 5), "result 0 asks for 3, unknown"),
        (images_of(0, 4), "result 0 ranks 4, unknown"),
        ({"caption": 0}, "must have a list 'image_ids'"),
        ([], "result 0 must be an object"),
    ],
)
def test_bad_rankings(result, message):
    told = message + r".* \(and 2 more\)$"
    with pytest.raises(InputError, match=told):
        evaluate_retrieval(CAPTIONED, [result, texts_of(3), texts_of(3), result])


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ([], "must hold a captioned image, got none"),
        ([{"captions": []}], "image 0 of the truth must have"),
        ([{"id": 1}], "image 0 of the truth must have"),
        ([{"id": 1, "caption": "a"}, {"caption": "b"}], "image 1 of the truth must have an id of"),
    ],
)
def test_bad_captions(truth, message):
    with pytest.raises(InputError, match=message):
        evaluate_retrieval(truth, [])
