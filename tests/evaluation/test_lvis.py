import copy

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from scenes import SIDE, random_scene

from ovdet.evaluation import evaluate_lvis, lvis
from ovdet.evaluation.lvis import MEASURES, count_short_classes
from ovdet.evaluation.results import as_results
from ovdet.structures import InputError

SIZES = {"": (0, 1e10), "s": (0, 32**2), "m": (32**2, 96**2), "l": (96**2, 1e10)}
IOUS = np.linspace(0.5, 0.95, 10).tolist()


def pixels(segmentation):
    if isinstance(segmentation, list):
        segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, SIDE, SIDE))
    return coco_mask.decode(segmentation).astype(bool)


def overlap(first, second, kind):
    if kind == "segm":
        a, b = pixels(first["segmentation"]), pixels(second["segmentation"])
        return (a & b).sum() / max((a | b).sum(), 1)
    (x, y, w, h), (u, v, m, n) = first["bbox"], second["bbox"]
    common = max(min(x + w, u + m) - max(x, u), 0) * max(min(y + h, v + n) - max(y, v), 0)
    return common / (w * h + m * n - common)


def size_of(result, kind):
    if kind == "segm":
        return pixels(result["segmentation"]).sum()
    return result["bbox"][2] * result["bbox"][3]


def best(results, key, count):
    """The best of each image, or of each class, in their old order."""
    ranked = sorted(results, key=lambda r: -r["score"])
    groups = {}
    for result in ranked:
        groups.setdefault(result[key], []).append(id(result))
    kept = {number for group in groups.values() for number in group[:count]}
    return [result for result in results if id(result) in kept]


def compare(image, label, objects, found, kind):
    """What must be known of the detections of an image and class, best first."""
    found = sorted(found, key=lambda r: -r["score"])
    shares = [[overlap(result, thing, kind) for thing in objects] for result in found]
    excused = label in image["not_exhaustive_category_ids"]
    sizes = [size_of(result, kind) for result in found]
    return objects, [r["score"] for r in found], shares, sizes, excused


def judge(known, size, iou):
    """Each detection: its score, right or not, counted or not."""
    objects, scores, shares, sizes, excused = known
    low, high = SIZES[size]
    wanted = [low <= a["area"] <= high and not a.get("ignore") for a in objects]
    taken, rows = set(), []
    for score, row, area in zip(scores, shares, sizes, strict=True):
        # What counts comes before what does not; then the highest, then the last.
        fits = [
            (wanted[place], share, place)
            for place, share in enumerate(row)
            if place not in taken and share >= min(iou, 1 - 1e-10)
        ]
        if fits:
            counts, _, place = max(fits)
            taken.add(place)
            rows.append((score, True, counts))
        else:
            rows.append((score, False, not excused and low <= area <= high))
    return rows


def average(truth, found, kind, label, size, seen):
    """AP by IoU and the highest recall by IoU of one class, or None without objects."""
    low, high = SIZES[size]
    objects = [a for a in truth["annotations"] if a["category_id"] == label]
    wanted = sum(low <= a["area"] <= high and not a.get("ignore") for a in objects)
    if not wanted:
        return None
    if label not in seen:
        seen[label] = []
        for image in sorted(truth["images"], key=lambda i: i["id"]):
            here = [a for a in objects if a["image_id"] == image["id"]]
            own = [r for r in found if (r["image_id"], r["category_id"]) == (image["id"], label)]
            if here or label in image["neg_category_ids"]:
                seen[label].append(compare(image, label, here, own, kind))
    precisions, recalls = [], []
    for iou in IOUS:
        rows = [row for known in seen[label] for row in judge(known, size, iou)]
        counted = [row for row in sorted(rows, key=lambda r: -r[0]) if row[2]]
        hits = np.cumsum([right for _, right, _ in counted])
        precision = hits / np.arange(1, len(hits) + 1)
        reached = hits / wanted
        levels = np.linspace(0, 1, 101)
        values = [
            precision[reached >= level].max(initial=0)
            for level in levels[levels <= reached.max(initial=0)]
        ]
        precisions.append(np.sum(values) / 101)
        recalls.append(reached[-1] if len(hits) else 0)
    return precisions, recalls


def reference(truth, results, kind, *, fixed=False, cap=300):
    """LVIS's figures from their definition, one detection at a time."""
    found = best(results, "category_id" if fixed else "image_id", cap)
    seen = {}
    frequency = {c["id"]: c["frequency"] for c in truth["categories"]}
    groups = {"rare": "r", "common": "c", "frequent": "f", "all": "rcf"}
    tables = {
        (i, size): average(truth, found, kind, i, size, seen) for i in frequency for size in SIZES
    }
    report = {}
    for group, letters in groups.items():
        for size in SIZES:
            rows = [t for i in frequency if frequency[i] in letters and (t := tables[i, size])]
            ap = [np.mean([row[0] for row in rows])] if rows else [np.nan]
            ar = [np.mean([row[1] for row in rows])] if rows else [np.nan]
            report[f"{group}/AP{size}"], report[f"{group}/AR{size}"] = ap[0], ar[0]
            if not size:
                for name, place in (("AP50", 0), ("AP75", 5)):
                    at = [row[0][place] for row in rows]
                    report[f"{group}/{name}"] = np.mean(at) if rows else np.nan
    return report


def check(truth, results, kind, backend="hotcoco", **options):
    expected = reference(truth, results, kind, **options)
    options.pop("cap", None)
    found = evaluate_lvis(truth, results, kind, backend=backend, **options)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-9, nan_ok=True), key
    return found["all/AP"]


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_figures_are_those_of_the_definition(kind):
    values = [check(*random_scene(seed, federated=True), kind) for seed in range(220)]
    assert sum(value > 0 for value in values) > 100


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_both_backends_agree(kind):
    for seed in range(300, 320):
        check(*random_scene(seed, federated=True), kind, "numpy")


def test_objects_to_ignore_count_neither_way():
    for seed in range(20):
        truth, results = random_scene(seed, federated=True)
        for annotation in truth["annotations"][::3]:
            annotation["ignore"] = 1
        check(truth, results, "bbox")


@pytest.mark.parametrize("fixed", [False, True])
def test_the_best_count(fixed, monkeypatch):
    """Of an image, or with fixed AP of a class over the set."""
    monkeypatch.setattr(lvis, "PER_IMAGE", 3)
    monkeypatch.setattr(lvis, "PER_CLASS", 3)
    for seed in range(20):
        truth, results = random_scene(seed, federated=True)
        check(truth, results, "bbox", fixed=fixed, cap=3)


def test_the_published_caps():
    assert (lvis.PER_IMAGE, lvis.PER_CLASS) == (300, 10_000)


def world():
    """One image, checked for classes 1 and 2 but not for 3; class 2 not exhaustively marked."""
    box = {"bbox": [0, 0, 10, 10], "area": 100.0}
    image = {"id": 1, "height": SIDE, "width": SIDE}
    image |= {"neg_category_ids": [1], "not_exhaustive_category_ids": [2]}
    return {
        "images": [image],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 2, **box}],
        "categories": [
            {"id": i, "name": f"class {i}", "frequency": "rcf"[i - 1]} for i in (1, 2, 3)
        ],
    }


def found(category, score, box=(0, 0, 10, 10)):
    return {"image_id": 1, "category_id": category, "score": score, "bbox": list(box)}


def test_federated_by_hand():
    off = (14, 14, 5, 5)
    results = [found(2, 0.5), found(2, 0.9, off), found(3, 0.9)]
    assert evaluate_lvis(world(), results)["all/AP"] == pytest.approx(1.0)  # what is off is excused
    strict = copy.deepcopy(world())
    strict["images"][0]["not_exhaustive_category_ids"] = []
    assert evaluate_lvis(strict, results)["all/AP"] == pytest.approx(0.5)


def test_novel_classes_and_single_classes():
    figures = evaluate_lvis(world(), [found(2, 0.5)], novel_ids=[2], classes=True)
    assert [figures["novel/AP"], figures["AP50/class 2"]] == pytest.approx([1.0, 1.0])
    assert np.isnan(figures["base/AP"])
    assert "AP/class 1" not in figures


@pytest.mark.parametrize("backend", ["hotcoco", "numpy"])
def test_nothing_found_and_nothing_to_find(backend):
    figures = evaluate_lvis(world(), [], backend=backend)
    assert figures["all/AP"] == figures["all/AR"] == 0
    empty = world() | {"annotations": []}
    assert all(np.isnan(v) for v in evaluate_lvis(empty, [found(1, 0.5)], backend=backend).values())


def test_few_results_are_no_fixed_average(monkeypatch):
    monkeypatch.setattr(lvis, "PER_CLASS", 2)
    results = [found(2, 0.5), found(2, 0.4), found(3, 0.4)]
    assert count_short_classes(world(), as_results(results, world())) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("images", "neg_category_ids"), "image 1 of the truth has no neg_category_ids"),
        (("images", "not_exhaustive_category_ids"), "has no not_exhaustive_category_ids"),
        (("categories", "frequency"), "category 1 must have a frequency r, c or f, got None"),
    ],
)
def test_a_truth_that_is_not_federated(change, message):
    truth, (key, name) = world(), change
    del truth[key][0][name]
    with pytest.raises(InputError, match=message):
        evaluate_lvis(truth, [])


def test_every_measure_is_given():
    assert {key.split("/")[1] for key in evaluate_lvis(world(), [])} == set(MEASURES)
