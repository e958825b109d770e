import json
import tracemalloc

import numpy as np
import pytest
import torch
from detections import IDS, SIDE, coco, result, scattered

from ovdet.evaluation import CocoMetric, LvisMetric, evaluate_coco, evaluate_lvis
from ovdet.evaluation.collect import gather
from ovdet.evaluation.stored import Place, Store, StoredMasks, fetch
from ovdet.ops.masks import paste_rle
from ovdet.structures import InputError, Regions, Sample, Vocabulary

VOCABULARY = Vocabulary(tuple(f"class {i}" for i in IDS), ids=IDS, novel=(False, False, True, True))


def metric_over(truth, predictions, **options):
    metric = CocoMetric(**options)
    metric.dataset_meta = {"vocabulary": VOCABULARY, "truth": lambda: truth}
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


def predictions(results):
    """Results as a model's predictions by image."""
    label = {category: i for i, category in enumerate(IDS)}
    found = {}
    for image in range(1, 13):
        own = [r for r in results if r["image_id"] == image]
        rows = [(label[r["category_id"]], r["score"], *corners(r["bbox"])) for r in own]
        masks = [decode(r["segmentation"]) for r in own]
        drawn = torch.stack(masks) if masks else torch.zeros(0, SIDE, SIDE, dtype=torch.bool)
        found[image] = regions(rows, drawn)
    return found


def corners(box):
    x, y, width, height = box
    return x, y, x + width, y + height


def decode(rle):
    from pycocotools import mask as coco_mask

    return torch.from_numpy(coco_mask.decode(rle)).bool()


def whole(truth, results):
    """Boxes that survive 32 bits."""
    for entry in [*truth["annotations"], *results]:
        entry["bbox"] = [round(side) for side in entry["bbox"]]
        entry["score"] = float(np.float32(entry.get("score", 0)))
    return truth, results


def test_the_metric_gives_the_figures_of_the_results():
    truth, results = whole(*scattered(2))
    kinds = ("bbox", "segm", "boundary")
    found = metric_over(truth, predictions(results), kinds=kinds, full=True, classes=True)
    for kind in kinds:
        expected = evaluate_coco(truth, results, kind, IDS[2:], classes=True)
        assert expected["all/AR100"] > 0
        for key, value in expected.items():
            assert found[f"coco/{kind}/{key}"] == pytest.approx(value, nan_ok=True), key
    brief = metric_over(truth, predictions(results), kinds=["bbox"])
    assert {key.rsplit("/", 1)[1] for key in brief} == {
        *("AP", "AP50", "AP75", "AR@100"),
        *("base", "novel", "all"),  # of the recall
    }


@pytest.mark.parametrize("fixed", [False, True])
def test_the_lvis_metric_gives_the_figures_of_the_results(tmp_path, fixed):
    truth, results = whole(*scattered(1, crowds=False))
    for image in truth["images"]:
        image |= {"neg_category_ids": [IDS[0]], "not_exhaustive_category_ids": [IDS[1]]}
    for category, letter in zip(truth["categories"], "rcff", strict=True):
        category["frequency"] = letter
    path = tmp_path / "lvis.json"
    path.write_text(json.dumps(truth))
    metric = LvisMetric(str(path), fixed=fixed, folder=str(tmp_path))
    metric.dataset_meta = {"vocabulary": VOCABULARY}
    for image, found in predictions(results).items():
        sample = Sample(torch.zeros(3, 8, 8), image, original_size=(SIDE, SIDE))
        metric.process({"samples": [sample]}, [found])
    figures = metric.evaluate(12)
    for kind in ("bbox", "segm"):
        expected = evaluate_lvis(truth, results, kind, IDS[2:], fixed=fixed)
        assert expected["all/AP50"] > 0.05
        for key, value in expected.items():
            name = f"lvis{'-fixed' * fixed}/{kind}/{key}"
            assert figures[name] == pytest.approx(value, nan_ok=True), key
    assert [one.name for one in tmp_path.iterdir()] == ["lvis.json"]  # no predictions are left


def test_an_image_that_two_processes_saw_counts_once(tmp_path):
    shares = [Store(str(tmp_path)), Store(str(tmp_path))]
    first, second = [result(1, 5, (0, 0, 4, 4), 0.5)], [result(2, 5, (0, 0, 4, 4), 0.25)]
    places = [shares[0].add(first), shares[1].add(second), shares[0].add([]), shares[1].add(first)]
    found = gather([tuple(place) for place in places], masks=True)  # as mmengine hands them on
    assert found.image_ids.tolist() == [1, 2]
    assert found.scores.tolist() == [0.5, 0.25]
    assert [found.masks[i] for i in (1, 0)] == [second[0]["segmentation"], first[0]["segmentation"]]
    for share in shares:
        share.close()
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        gather(places, masks=True)


def test_masks_are_wanted_where_there_are_none():
    truth = coco([(1, 5, 0, 0, 10, 10)])
    with pytest.raises(InputError, match="predictions of image 1 have no masks"):
        metric_over(truth, {1: regions([(0, 0.9, 0, 0, 10, 10)])})


def test_one_image_at_a_time_is_in_memory(tmp_path, monkeypatch):
    """The whole of the masks is far larger than what is ever held."""
    monkeypatch.setattr("ovdet.evaluation.tables._PART", 5)
    side, images = 200, 120
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.random((images, side, side)) < 0.5)
    truth = coco([(i, 5, 0, 0, side, side) for i in range(1, images + 1)], images=images)
    for image, annotation in zip(truth["images"], truth["annotations"], strict=True):
        image |= {"height": side, "width": side}
        annotation["segmentation"] = [[0, 0, side, 0, side, side, 0, side]]
    metric = CocoMetric(["segm"], folder=str(tmp_path))
    metric.dataset_meta = {"vocabulary": VOCABULARY, "truth": lambda: truth}
    for image, mask in enumerate(noise, 1):
        sample = Sample(torch.zeros(3, 8, 8), image, original_size=(side, side))
        found = regions([(0, 0.9, 0, 0, side, side)], mask[None])
        metric.process({"samples": [sample]}, [found])
    (path,) = tmp_path.iterdir()
    metric.compute_metrics(metric.results)  # what is imported on the way is not to be counted
    tracemalloc.start()
    metric.compute_metrics(metric.results)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size / 3


def test_stored_masks_are_a_sequence(tmp_path):
    store = Store(str(tmp_path))
    images = [[result(i, 5, (0, 0, n + 1, 4), 0.5) for n in range(i)] for i in (2, 1, 3)]
    masks = StoredMasks([store.add(image) for image in images])
    plain = [entry["segmentation"] for image in images for entry in image]
    assert len(masks) == 6
    assert list(masks) == plain
    assert masks[1:4] == plain[1:4]
    with pytest.raises(IndexError):
        masks[6]
    store.close()


def test_files_go_with_their_process(tmp_path):
    store = Store(str(tmp_path))
    place = store.add([result(1, 5, (0, 0, 1, 1), 0.5)])
    assert fetch(Place(*place))[0]["image_id"] == 1
    del store
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused_at_once(value):
    for rows in ([(0, value, 0, 0, 1, 1)], [(0, 0.5, 0, 0, value, 1)]):
        with pytest.raises(InputError, match="must have finite scores and boxes, image 7"):
            metric_over(coco([]), {7: regions(rows)}, kinds=["bbox"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": []}, "kinds must name at least one"),
        ({"kinds": ["keypoints"]}, "kind must be one of"),
        ({"backend": "other"}, "backend must be one of"),
        ({"top": 0}, "top must be at least 1, got 0"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(InputError, match=message):
        CocoMetric(**options)
