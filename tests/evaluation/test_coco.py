import math

import numpy as np
import pytest
import torch

from ovdet.evaluation import CocoMetric, class_agnostic_average_recall, evaluate_coco
from ovdet.evaluation.stored import fetch
from ovdet.ops.masks import encode_rle, paste_rle
from ovdet.structures import InputError, Regions, Sample, Vocabulary

SIDE = 40
IDS = (5, 2, 9, 4)


def coco(boxes, categories=IDS, images=1):
    """A truth of (image, category, x, y, width, height), each box its own mask."""
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": category,
            "bbox": list(box),
            "area": box[2] * box[3],
            "iscrowd": 0,
            "segmentation": draw(box),
        }
        for number, (image, category, *box) in enumerate(boxes, 1)
    ]
    return {
        "images": [{"id": i, "height": SIDE, "width": SIDE} for i in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": c, "name": f"class {c}"} for c in categories],
    }


def draw(box):
    x, y, width, height = box
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    mask[0, round(y) : round(y + height), round(x) : round(x + width)] = True
    return encode_rle(mask)[0]


def result(image, category, box, score):
    entry = {"image_id": image, "category_id": category, "bbox": list(box), "score": score}
    return entry | {"segmentation": draw(box)}


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


def metric_over(truth, predictions, **options):
    metric = CocoMetric(**options)
    vocabulary = Vocabulary(
        tuple(f"class {i}" for i in IDS), ids=IDS, novel=(False, False, True, True)
    )
    metric.dataset_meta = {"vocabulary": vocabulary, "truth": lambda: truth}
    for image, regions in predictions.items():
        sample = Sample(torch.zeros(3, 8, 8), image, original_size=(SIDE, SIDE))
        metric.process({"samples": [sample]}, [regions])
    return metric.evaluate(len(predictions))


def regions(rows, masks=None):
    boxes = torch.tensor([row[2:] for row in rows], dtype=torch.float32).reshape(-1, 4)
    return Regions(
        boxes,
        torch.zeros(len(rows), dtype=torch.int64),
        scores=torch.tensor([row[1] for row in rows]),
        labels=torch.tensor([row[0] for row in rows], dtype=torch.int64),
        masks=masks,
    )


def test_the_metric_scores_predictions_of_any_mask_form():
    truth = coco([(1, 5, 0, 0, 10, 10), (2, 9, 5, 5, 20, 20)], images=2)
    first = regions([(0, 0.9, 0, 0, 10, 10)], torch.ones(1, 7, 7))
    whole = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    whole[0, 5:25, 5:25] = True
    found = metric_over(truth, {1: first, 2: regions([(2, 0.8, 5, 5, 25, 25)], whole)})
    for kind in ("bbox", "segm"):
        assert found[f"coco/{kind}/novel/AP"] == pytest.approx(1.0)
        assert found[f"coco/{kind}/base/AP"] == pytest.approx(1.0)
    assert found["coco/recall50@100/novel"] == 1.0


def test_the_best_are_kept():
    truth = coco([(1, 5, 0, 0, 10, 10)])
    rows = [(0, 0.1, 0, 0, 10, 10), (0, 0.9, 20, 20, 30, 30)]
    assert metric_over(truth, {1: regions(rows)}, kinds=["bbox"], top=1)["coco/bbox/all/AP"] == 0
    found = metric_over(truth, {1: regions(rows)}, kinds=["bbox"], top=2)
    assert found["coco/bbox/all/AP"] == pytest.approx(0.5)


def test_no_predictions_at_all():
    found = metric_over(coco([(1, 5, 0, 0, 10, 10)]), {1: regions([], torch.zeros(0, 7, 7))})
    assert found["coco/segm/all/AP"] == 0


def test_the_metric_needs_a_data_set_with_boxes():
    metric = CocoMetric()
    metric.dataset_meta = {}
    with pytest.raises(InputError, match="gives no vocabulary"):
        metric.process({"samples": []}, [])


def test_masks_are_pasted_into_the_stored_image():
    masks, boxes = torch.rand(2, 7, 7), torch.tensor([[0.0, 0, 9, 9], [3, 4, 20, 30]])
    metric = CocoMetric(["segm"])
    metric.dataset_meta = {"vocabulary": Vocabulary(("a",))}
    sample = Sample(torch.zeros(3, 8, 8), 1, original_size=(SIDE, SIDE))
    metric.process(
        {"samples": [sample]}, [regions([(0, 0.9, *boxes[0]), (0, 0.8, *boxes[1])], masks)]
    )
    stored = fetch(metric.results[0])
    assert [r["segmentation"] for r in stored] == paste_rle(masks, boxes, SIDE, SIDE)
