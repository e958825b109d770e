import contextlib
import copy
import io
import sys
from collections import Counter

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scenes import random_scene

from ovdet.evaluation import evaluate_coco, evaluate_lvis
from ovdet.evaluation.coco import MEASURES
from ovdet.evaluation.results import as_results
from ovdet.evaluation.tables import Measure, Rules, Tables, measure, summarize
from ovdet.evaluation.truth import as_truth
from ovdet.structures import InputError


def pycocotools(truth, results, kind):
    """The twelve figures as pycocotools itself gives them; -1 where there is nothing."""
    wanted = {"bbox": "bbox", "segm": "segmentation"}[kind]
    keys = ("image_id", "category_id", "score", wanted)
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = COCO()
        loaded.dataset = copy.deepcopy(truth) | {"info": {}}
        loaded.createIndex()
        entries = [{key: result[key] for key in keys} for result in results]
        found = loaded.loadRes(entries) if entries else empty(loaded)
        evaluator = COCOeval(loaded, found, kind)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator.stats


def empty(loaded):
    """No results: ``loadRes`` itself fails on an empty list."""
    found = COCO()
    found.dataset = loaded.dataset | {"annotations": []}
    found.createIndex()
    return found


def peculiarities(truth, results):
    """What there is in a scene that makes evaluators differ."""
    objects = truth["annotations"]
    labels = {annotation["category_id"] for annotation in objects}
    images = {annotation["image_id"] for annotation in objects}
    places = Counter((r["image_id"], r["category_id"], r["score"]) for r in results)
    return {
        "crowds": any(annotation["iscrowd"] for annotation in objects),
        "images without objects": any(i["id"] not in images for i in truth["images"]),
        "images without results": {i["id"] for i in truth["images"]}
        > {r["image_id"] for r in results},
        "ties": max(places.values(), default=0) > 1,
        "results of absent classes": any(r["category_id"] not in labels for r in results),
        "more than 100 of a class": max(
            Counter(key[:2] for key in places.elements()).values(), default=0
        )
        > 100,
    }


def twelve(truth, results, kind, backend):
    figures = evaluate_coco(truth, results, kind, backend=backend)
    values = np.array([figures[f"all/{name}"] for name in MEASURES])
    return np.where(np.isnan(values), -1, values)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_twelve_figures_are_those_of_pycocotools(kind, monkeypatch):
    monkeypatch.setattr("ovdet.evaluation.tables._PART", 2)  # several parts even of a few images
    seen = Counter()
    for seed in range(220):
        truth, results = random_scene(seed, crowded=seed % 20 == 0)
        expected = pycocotools(truth, results, kind)
        found = twelve(truth, results, kind, "hotcoco")
        assert found.shape == expected.shape == (12,)
        assert np.abs(found - expected).max() < 1e-9, seed
        seen.update(key for key, there in peculiarities(truth, results).items() if there)
        seen["above 0"] += expected[0] > 0
    assert seen.keys() == {"above 0", *peculiarities(truth, results)}
    assert min(seen[key] for key in ("crowds", "ties", "above 0")) > 100
    assert min(seen.values()) >= 5


@pytest.mark.parametrize("backend", ["pycocotools", "numpy"])
@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_other_backends_give_the_same(kind, backend):
    for seed in range(20):
        truth, results = random_scene(seed, crowded=seed % 10 == 0)
        found = twelve(truth, results, kind, backend)
        assert np.abs(found - twelve(truth, results, kind, "hotcoco")).max() < 1e-9, seed


@pytest.mark.parametrize("backend", ["hotcoco", "pycocotools", "numpy"])
def test_ids_may_be_anything(backend):
    """An annotation with the id 0 is lost to pycocotools, a negative id to hotcoco."""
    truth, results = random_scene(5)
    expected = twelve(truth, results, "bbox", "hotcoco")
    moved = copy.deepcopy(truth)
    for number, annotation in enumerate(moved["annotations"]):
        annotation["id"] = number
        annotation["image_id"] -= 100
    for image in moved["images"]:
        image["id"] -= 100
    shifted = [result | {"image_id": result["image_id"] - 100} for result in results]
    assert expected[0] > 0
    assert (twelve(moved, shifted, "bbox", backend) == expected).all()


def test_without_hotcoco_the_figures_are_the_same(monkeypatch):
    plain, federated = random_scene(2), random_scene(2, federated=True)
    expected = evaluate_coco(*plain), evaluate_lvis(*federated)
    monkeypatch.setitem(sys.modules, "hotcoco", None)  # as if it were not installed
    with pytest.raises(ImportError):
        import hotcoco  # noqa: F401
    for found, wanted in zip(
        (evaluate_coco(*plain), evaluate_lvis(*federated)), expected, strict=True
    ):
        assert wanted["all/AP"] > 0
        assert found == pytest.approx(wanted, abs=1e-9, nan_ok=True)


def test_what_is_not_known_is_refused():
    truth, results = random_scene(1)
    objects, found = as_truth(truth), as_results(results, truth)
    with pytest.raises(InputError, match="pycocotools knows no LVIS rules"):
        measure(objects, found, "bbox", Rules(federated=True), "pycocotools")
    with pytest.raises(InputError, match="by_class must be on"):
        measure(objects, found, "bbox", Rules(by_class=False), "numpy")
    with pytest.raises(InputError, match="backend must be one of"):
        measure(objects, found, "bbox", Rules(), "other")


def test_a_mean_leaves_out_what_could_not_be_measured():
    precision = np.full((10, 101, 3, 4, 1), np.nan)
    precision[:, :, 0], precision[:, :, 1] = 0.5, 1.0
    precision[0, :, 1] = 0.0
    tables = Tables(precision, np.full((10, 3, 4, 1), 0.25))
    groups = {"two": np.array([True, True, False]), "none": np.array([False, False, True])}
    wanted = {"AP": Measure(), "AP50": Measure(iou=0), "AR": Measure(recall=True)}
    found = summarize(tables, groups, wanted)
    assert found["two/AP"] == pytest.approx((0.5 + 0.9) / 2)
    assert found["two/AP50"] == pytest.approx(0.25)
    assert found["two/AR"] == found["none/AR"] == 0.25
    assert np.isnan(found["none/AP"])
