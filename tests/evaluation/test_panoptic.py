import json
import math
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from ovdet.evaluation import PanopticMetric, evaluate_panoptic, evaluate_panoptic_files
from ovdet.evaluation.panoptic import Segments, panoptic_counts
from ovdet.structures import InputError, Sample, Vocabulary

# Two things and two stuffs.
NAMES, THINGS, IDS = ("cat", "dog", "grass", "sky"), (True, True, False, False), (17, 18, 193, 187)


def row(*runs):
    """A map of one row: (id, pixels), one after the other."""
    return np.repeat([i for i, _ in runs], [n for _, n in runs])[None]


def counts(truth, truth_labels, found, found_labels, crowds=()):
    return panoptic_counts(
        Segments.of(truth, truth_labels, crowds), Segments.of(found, found_labels), len(NAMES)
    )


def table(**columns):
    """Counts by hand: for each class IoU, found, wrong, missed."""
    return np.array([columns.get(name, (0, 0, 0, 0)) for name in NAMES], float).T


def test_found_wrong_and_missed():
    truth = row((5, 10), (6, 10), (7, 10))
    found = row((1, 8), (2, 12), (3, 10))  # 1 in 5, 2 covers 6 and two pixels of 5
    result = counts(truth, {5: 0, 6: 0, 7: 2}, found, {1: 0, 2: 0, 3: 3})
    expected = table(cat=(8 / 10 + 10 / 12, 2, 0, 0), grass=(0, 0, 0, 1), sky=(0, 0, 1, 0))
    assert result == pytest.approx(expected)


@pytest.mark.parametrize(("length", "right"), [(10, False), (11, True)])
def test_half_is_not_enough(length, right):
    result = counts(row((5, 20)), {5: 1}, row((1, length), (0, 20 - length)), {1: 1})
    expected = table(dog=(length / 20, 1, 0, 0)) if right else table(dog=(0, 0, 1, 1))
    assert result == pytest.approx(expected)


def test_void_counts_neither_way():
    # Of the cat's 12 found pixels 4 lie in void: union 10, and not 14.
    result = counts(row((5, 10), (0, 10)), {5: 0}, row((1, 2), (2, 12), (0, 6)), {1: 2, 2: 0})
    assert result == pytest.approx(table(cat=(8 / 10, 1, 0, 0), grass=(0, 0, 1, 0)))


@pytest.mark.parametrize(("inside", "wrong"), [(5, 1), (6, 0)])
def test_mostly_void_is_no_error(inside, wrong):
    truth = row((5, 10 - inside), (0, inside))
    result = counts(truth, {5: 2}, row((1, 10)), {1: 0})
    assert result == pytest.approx(table(cat=(0, 0, wrong, 0), grass=(0, 0, 0, 1)))


def test_a_segment_that_is_not_listed_is_void():
    truth = row((5, 10), (9, 10))
    with_void = counts(row((5, 10), (0, 10)), {5: 0}, row((1, 10), (2, 10)), {1: 0, 2: 1})
    assert counts(truth, {5: 0}, row((1, 10), (2, 10)), {1: 0, 2: 1}) == pytest.approx(with_void)


@pytest.mark.parametrize(("label", "wrong"), [(0, 0), (1, 1)])
def test_a_crowd_excuses_its_own_class_and_is_never_missed(label, wrong):
    truth = row((5, 20), (6, 10))
    result = counts(truth, {5: 0, 6: 3}, row((1, 20), (2, 10)), {1: label, 2: 3}, crowds=[5])
    expected = table(**{NAMES[label]: (0, 0, wrong, 0)}, sky=(1, 1, 0, 0))
    assert result == pytest.approx(expected)


def test_crowd_and_void_together_excuse():
    # 4 of 10 pixels in a crowd, 2 in void, 4 on grass.
    truth = row((5, 4), (0, 2), (6, 4))
    result = counts(truth, {5: 0, 6: 2}, row((1, 10)), {1: 0}, crowds=[5])
    assert result == pytest.approx(table(grass=(0, 0, 0, 1)))


def test_maps_of_several_rows():
    truth, found = np.zeros((6, 6), int), np.zeros((6, 6), int)
    truth[1:5, 1:5] = 70_000
    found[1:5, 2:5] = 16_777_215
    result = counts(truth, {70_000: 1}, found, {16_777_215: 1})
    assert result == pytest.approx(table(dog=(12 / 16, 1, 0, 0)))


def test_an_image_of_nothing():
    nothing = np.zeros((3, 3), int)
    assert not counts(nothing, {}, nothing, {}).any()
    assert counts(nothing, {}, np.ones((3, 3)), {1: 0}).any() == np.False_  # all void
    assert counts(np.ones((3, 3)), {1: 0}, nothing, {}).tolist() == table(cat=(0, 0, 0, 1)).tolist()


def test_the_figures_by_hand():
    sums = table(cat=(1.6, 2, 1, 1), grass=(0, 0, 2, 1), sky=(0.9, 1, 0, 0))
    report = evaluate_panoptic(sums, THINGS, [False, False, True, False], NAMES)
    cat = {"PQ": 1.6 / 3, "SQ": 0.8, "RQ": 2 / 3}
    for figure, value in cat.items():
        assert report[f"things/{figure}"] == pytest.approx(value)  # there is no dog
        assert report[f"unseen/{figure}"] == 0  # grass
    assert report["stuff/PQ"] == report["stuff/SQ"] == pytest.approx(0.45)
    assert report["seen/PQ"] == pytest.approx((1.6 / 3 + 0.9) / 2)
    assert report["all/PQ"] == pytest.approx((1.6 / 3 + 0 + 0.9) / 3)
    assert report["all/RQ"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert report["PQ/sky"] == pytest.approx(0.9)
    assert "PQ/dog" not in report


def test_nothing_to_measure():
    report = evaluate_panoptic(np.zeros((4, 1)), [True])
    assert all(math.isnan(value) for value in report.values())
    assert "seen/PQ" not in report


@pytest.mark.parametrize(
    ("found", "labels", "message"),
    [
        (row((1, 9)), {1: 0}, r"must be \(1, 10\) as the truth, got \(1, 9\)"),
        (row((1, 5), (2, 5)), {1: 0}, "segment 2 of the map has no class"),
        (row((1, 10)), {1: 0, 3: 0}, "segment 3 has no pixel"),
        (row((1, 10)), {1: 4}, "classes must be 0 to 3, got 4"),
    ],
)
def test_bad_predictions(found, labels, message):
    with pytest.raises(InputError, match=message):
        counts(row((5, 10)), {5: 0}, found, labels)


@pytest.mark.parametrize("change", [{"things": [True]}, {"novel": [True]}, {"names": ["a"]}])
def test_lists_of_other_lengths(change):
    with pytest.raises(InputError, match="must have one entry a class, 4, got 1"):
        evaluate_panoptic(**({"counts": np.zeros((4, 4)), "things": THINGS} | change))


def random_image(rng, crowds=True):
    """A map of blocks, some void, with the classes of its segments; the first may be a crowd."""
    blocks = rng.integers(0, 7, (4, 5))
    ids = np.kron(blocks, np.ones((4, 4), int)) * 1000
    labels = {int(i): int(rng.integers(0, len(NAMES))) for i in np.unique(ids) if i}
    return ids, labels, list(labels)[:1] if crowds else []


def write_files(folder, images):
    """Write COCO panoptic JSON and PNG files of (ids, labels, crowds) by image."""
    (folder).mkdir()
    annotations = []
    for number, (ids, labels, crowds) in enumerate(images, 1):
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65_536], axis=-1)
        Image.fromarray(colours.astype(np.uint8)).save(folder / f"{number}.png")
        infos = [
            {
                "id": i,
                "category_id": IDS[label],
                "iscrowd": int(i in crowds),
                "area": int((ids == i).sum()),
                "bbox": [0, 0, 1, 1],
            }
            for i, label in labels.items()
        ]
        entry = {"image_id": number, "file_name": f"{number}.png", "segments_info": infos}
        annotations.append(entry)
    categories = [
        {"id": i, "name": n, "isthing": int(t)} for i, n, t in zip(IDS, NAMES, THINGS, strict=True)
    ]
    record = {
        "images": [{"id": e["image_id"], "height": 16, "width": 20} for e in annotations],
        "annotations": annotations,
        "categories": categories,
    }
    path = folder.with_suffix(".json")
    path.write_text(json.dumps(record))
    return path


@pytest.fixture
def files(tmp_path):
    def write(seed):
        rng = np.random.default_rng(seed)
        truth = [random_image(rng) for _ in range(6)]
        found = []
        for ids, labels, _ in truth:
            moved = np.roll(ids, int(rng.integers(0, 3)), axis=1)
            guesses = {i: v if rng.random() < 0.7 else 3 - v for i, v in labels.items()}
            found.append((moved, guesses, []))
        return write_files(tmp_path / "gt", truth), write_files(tmp_path / "found", found)

    return write


@pytest.mark.parametrize("seed", range(4))
def test_hotcoco_finds_the_same(files, seed):
    from hotcoco import panoptic

    truth, found = files(seed)
    reference = panoptic.PanopticEval(str(truth), str(found))
    reference.evaluate()
    expected = reference.results()
    report = evaluate_panoptic_files(truth, found)
    assert 0.1 < report["all/PQ"] < 0.9
    for theirs, ours in (("All", "all"), ("Things", "things"), ("Stuff", "stuff")):
        for figure in ("PQ", "SQ", "RQ"):
            assert report[f"{ours}/{figure}"] == pytest.approx(expected[theirs][figure.lower()])


def test_the_files_may_lie_elsewhere(files, tmp_path):
    truth, found = files(0)
    expected = evaluate_panoptic_files(truth, found, novel_ids=[18], classes=True)
    assert {"seen/PQ", "unseen/PQ"} <= set(expected)
    assert any(key.startswith("PQ/") for key in expected)
    (tmp_path / "found").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"found/1\.png: cannot be read as an image"):
        evaluate_panoptic_files(truth, found)
    again = evaluate_panoptic_files(
        truth, found, results_dir=tmp_path / "elsewhere", novel_ids=[18], classes=True
    )
    assert again == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("annotations"), "with a list 'annotations'"),
        (lambda r: r["annotations"].pop(), "a prediction is missing for image 6"),
        (lambda r: r["annotations"][0].update(image_id=9), "of an unknown image 9"),
        (lambda r: r["annotations"].append(r["annotations"][0]), "image 1 is predicted 2 times"),
        (lambda r: r["annotations"][1].pop("file_name"), r"annotations\[1\] must have 'file_name'"),
        (
            lambda r: r["annotations"][0]["segments_info"][0].update(category_id=5),
            "image 1: segment .* names category 5, unknown to the truth",
        ),
        (lambda r: r["annotations"][0]["segments_info"].pop(), "image 1: segment .* has no class"),
        (
            lambda r: r["annotations"][0]["segments_info"].append({"id": 77, "category_id": 17}),
            "image 1: segment 77 has no pixel",
        ),
        (lambda r: r["annotations"][0]["segments_info"].append(3), "image 1: a segment must be"),
    ],
)
def test_bad_files(files, change, message):
    truth, found = files(0)
    record = json.loads(found.read_text())
    change(record)
    found.write_text(json.dumps(record))
    with pytest.raises(InputError, match=message):
        evaluate_panoptic_files(truth, found)


def test_the_first_wrong_image_is_named_and_the_others_counted(files):
    truth, found = files(0)
    record = json.loads(found.read_text())
    record["annotations"][1]["segments_info"][0]["category_id"] = 5
    found.write_text(json.dumps(record))
    folder = found.with_suffix("")
    for number in (3, 4):
        Image.new("RGB", (20, 15)).save(folder / f"{number}.png")
    told = (
        r"found\.json: image 2: segment \d+ names category 5, unknown to the truth \(and 2 more\)$"
    )
    with pytest.raises(InputError, match=told):
        evaluate_panoptic_files(truth, found)


def metric_over(images):
    vocabulary = Vocabulary(NAMES, ids=IDS, novel=(False, True, False, False))
    annotations = [
        {
            "image_id": 100 + number,
            "segments_info": [
                {"id": i, "category_id": IDS[label], "iscrowd": int(i in crowds)}
                for i, label in labels.items()
            ],
        }
        for number, (_, labels, crowds) in enumerate(images)
    ]
    metric = PanopticMetric(classes=True)
    metric.dataset_meta = {
        "vocabulary": vocabulary,
        "things": THINGS,
        "truth": lambda: {"annotations": annotations},
        "ids": lambda index: images[index][0],
    }
    return metric


def test_the_metric_sums_over_images():
    rng = np.random.default_rng(0)
    truth = [random_image(rng) for _ in range(3)]
    metric = metric_over(truth)
    sums = np.zeros((4, len(NAMES)))
    for number in (2, 0, 1):  # the order of the batches is no matter
        ids, labels, crowds = truth[number]
        found = np.roll(ids, 1, axis=0)
        sums += counts(ids, labels, found, labels, crowds)
        sample = Sample(torch.zeros(3, 2, 2), 100 + number, f"{number}.png")
        metric.process({"samples": [sample]}, [(torch.from_numpy(found), labels)])
    expected = evaluate_panoptic(sums, THINGS, (False, True, False, False), NAMES)
    found = metric.evaluate(3)
    assert found == {f"panoptic/{k}": pytest.approx(v, nan_ok=True) for k, v in expected.items()}
    assert len(pickle.dumps(metric.results)) < 2000


def test_the_metric_names_the_file():
    metric = metric_over([(row((5, 10)), {5: 0}, [])])
    sample = Sample(torch.zeros(3, 2, 2), 100, "a.png")
    with pytest.raises(InputError, match=r"a\.png: segment 1 of the map has no class"):
        metric.process({"samples": [sample]}, [(torch.ones(1, 10, dtype=torch.int64), {})])
    metric = PanopticMetric()
    metric.dataset_meta = {}
    with pytest.raises(InputError, match="gives no vocabulary"):
        metric.process({"samples": []}, [])
