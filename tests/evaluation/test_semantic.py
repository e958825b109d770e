import math
import pickle

import numpy as np
import pytest
import torch

from ovdet.evaluation import SemanticMetric, evaluate_semantic
from ovdet.evaluation.semantic import confusion_matrix, relabel
from ovdet.structures import IGNORED, InputError, Sample, Vocabulary


def random_maps(seed, classes=5, images=3):
    """Maps in which some class may be absent, some pixels are ignored or were given no class."""
    rng = np.random.default_rng(seed)
    shape = (images, 9, 13)
    truth = rng.choice(classes - 1, shape) if seed % 2 else rng.integers(0, classes, shape)
    found = np.where(rng.random(shape) < 0.6, truth, rng.integers(0, classes, shape))
    truth[rng.random(shape) < 0.1] = IGNORED
    found[rng.random(shape) < 0.05] = IGNORED
    return truth, found


def count(truth, found, label):
    """Intersection, truth and claimed pixels of a class, one pixel after the other."""
    both = own = claimed = 0
    for t, f in zip(truth.ravel().tolist(), found.ravel().tolist(), strict=True):
        if t != IGNORED:
            both += t == label == f
            own += t == label
            claimed += f == label
    return both, own, claimed


@pytest.mark.parametrize("seed", range(8))
def test_brute_force_counts_the_same(seed):
    truth, found = random_maps(seed)
    counts = [count(truth, found, label) for label in range(5)]
    ious = [both / (own + claimed - both) for both, own, claimed in counts if own]
    total = sum(own for _, own, _ in counts)
    confusion = sum(confusion_matrix(t, f, 5) for t, f in zip(truth, found, strict=True))
    report = evaluate_semantic(confusion)
    assert report["mIoU"] == pytest.approx(np.mean(ious))
    assert report["pAcc"] == pytest.approx(sum(both for both, _, _ in counts) / total)
    assert report["mAcc"] == pytest.approx(np.mean([b / own for b, own, _ in counts if own]))
    weighted = [own / total * b / (own + claimed - b) for b, own, claimed in counts if own]
    assert report["fwIoU"] == pytest.approx(sum(weighted))
    assert report["classes"] == len(ious)
    assert report["absent classes"] == 5 - len(ious)


@pytest.mark.parametrize("seed", range(4))
def test_hotcoco_finds_the_same(seed):
    from hotcoco import semantic

    truth, found = random_maps(seed)
    found[found == IGNORED] = 0  # it knows no missing answer
    reference = semantic.SemanticEval(5)
    for t, f in zip(truth, found, strict=True):
        reference.update(np.where(t == IGNORED, 255, t).astype(np.uint8), f.astype(np.uint8))
    expected = reference.report()["metrics"]
    report = evaluate_semantic(confusion_matrix(truth, found, 5), absent="claimed")
    for ours, theirs in (("mIoU", "mIoU"), ("fwIoU", "fwIoU"), ("pAcc", "aAcc"), ("mAcc", "mAcc")):
        assert report[ours] == pytest.approx(expected[theirs], abs=1e-12), ours


# Class 0: 3 of its 4 pixels right; class 1: its 2 pixels taken for 0; class 2 is not there, but one
# pixel of 0 was given to it; class 3 is neither there nor given.
BY_HAND = np.array([[3, 0, 1, 0, 0], [2, 0, 0, 0, 0], [0] * 5, [0] * 5])


@pytest.mark.parametrize(
    ("absent", "mean", "classes"),
    [("skip", 3 / 6 / 2, 2), ("claimed", 3 / 6 / 3, 3), ("zero", 3 / 6 / 4, 4)],
)
def test_classes_without_truth_as_told(absent, mean, classes):
    report = evaluate_semantic(BY_HAND, absent=absent)
    assert report["mIoU"] == pytest.approx(mean)
    assert report["classes"] == classes
    assert report["absent classes"] == 2
    assert report["pAcc"] == pytest.approx(3 / 6)
    assert report["mAcc"] == pytest.approx((3 / 4 + 0) / 2)
    assert report["fwIoU"] == pytest.approx(4 / 6 * 3 / 6)
    habits = [report[f"mIoU({habit})"] for habit in ("skip", "claimed", "zero")]
    assert habits == pytest.approx([3 / 6 / 2, 3 / 6 / 3, 3 / 6 / 4])
    assert report[f"mIoU({absent})"] == report["mIoU"]


def test_seen_unseen_and_their_harmonic_mean():
    confusion = np.array([[4, 0, 0, 0], [0, 2, 2, 0], [0, 1, 1, 0]])  # IoU 1, 2/5, 1/4
    report = evaluate_semantic(confusion, [False, False, True], names="abc")
    seen, unseen = (1 + 2 / 5) / 2, 1 / 4
    assert report["mIoU(S)"] == pytest.approx(seen)
    assert report["mIoU(U)"] == pytest.approx(unseen)
    assert report["hIoU"] == pytest.approx(2 * seen * unseen / (seen + unseen))
    assert report["IoU/b"] == pytest.approx(2 / 5)
    assert not {"hIoU", "mIoU(zero)"} & set(evaluate_semantic(confusion))


def test_seen_and_unseen_both_at_zero():
    report = evaluate_semantic(np.array([[0, 1, 0], [1, 0, 0]]), [False, True])
    assert report["hIoU"] == 0


def test_a_pixel_without_an_answer_is_missed_and_claimed_by_none():
    confusion = confusion_matrix(np.array([[0, 0, 1]]), np.array([[0, IGNORED, 1]]), 2)
    assert confusion.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert evaluate_semantic(confusion)["mIoU"] == pytest.approx((1 / 2 + 1) / 2)


@pytest.mark.parametrize("shape", [(0, 4), (2, 3)])
def test_nothing_to_measure(shape):
    truth = np.full(shape, IGNORED)
    report = evaluate_semantic(confusion_matrix(truth, np.zeros(shape, np.uint8), 1))
    assert math.isnan(report["mIoU"])
    assert math.isnan(report["pAcc"])
    assert report["classes"] == 0


def test_stored_values_become_classes():
    values = np.array([[0, 1, 150, 255]], np.uint8)
    assert relabel(values, ignored=(255,)).tolist() == [[0, 1, 150, -1]]
    wide = np.array([[0, 458, 65_535]], np.uint16)
    assert relabel(wide, ignored=(65_535,)).tolist() == [[0, 458, -1]]
    assert relabel(np.array([[3, 20, 58]]), last=20).tolist() == [[3, 20, 20]]


@pytest.mark.parametrize(
    ("truth", "found", "message"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), r"must be \(2, 2\) as the truth"),
        (np.array([[0, 3]]), np.array([[0, 0]]), "truth must hold classes 0 to 2, got 3"),
        (np.array([[0, 1]]), np.array([[0, 255]]), "found must hold classes 0 to 2, got 255"),
        (np.array([[0, -2]]), np.array([[0, 0]]), "got -2"),
    ],
)
def test_bad_maps(truth, found, message):
    with pytest.raises(InputError, match=message):
        confusion_matrix(truth, found, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"confusion": np.zeros((2, 2), int)}, r"must be \[C, C \+ 1\]"),
        ({"absent": "nan"}, "absent must be one of"),
        ({"novel": [True]}, "novel must have one entry a class, 4, got 1"),
        ({"names": ["a"]}, "names must have one entry a class"),
    ],
)
def test_bad_questions(changes, message):
    with pytest.raises(InputError, match=message):
        evaluate_semantic(**({"confusion": BY_HAND} | changes))


def metric_over(truth, found, **options):
    metric = SemanticMetric(**options)
    names = tuple("abcde")
    vocabulary = Vocabulary(names, novel=(False, False, False, True, True))
    metric.dataset_meta = {"vocabulary": vocabulary, "labels": lambda i: truth[i]}
    for i, predicted in enumerate(found):
        sample = Sample(torch.zeros(3, 2, 2), i, f"{i}.png")
        metric.process({"samples": [sample]}, [torch.from_numpy(predicted)])
    return metric


def test_the_metric_sums_over_images():
    truth, found = random_maps(0)
    metric = metric_over(truth, found, classes=True)
    whole = confusion_matrix(truth, found, 5)
    expected = evaluate_semantic(whole, [False] * 3 + [True] * 2, names="abcde")
    assert metric.evaluate(3) == {f"semantic/{k}": pytest.approx(v) for k, v in expected.items()}


def test_what_processes_exchange_is_small():
    truth, found = np.zeros((2, 1, 500, 500), np.int64)
    metric = metric_over(truth, found)
    assert len(pickle.dumps(metric.results)) < 1000


def test_answers_beyond_the_last_class_fall_into_it():
    truth, found = np.array([[[0, 4, 4]]]), np.array([[[0, 17, 58]]])
    assert metric_over(truth, found, last=4).evaluate(1)["semantic/mIoU"] == 1.0
    with pytest.raises(InputError, match=r"0.png: found must hold classes 0 to 4, got 17"):
        metric_over(truth, found)


def test_the_metric_needs_label_maps():
    metric = SemanticMetric()
    metric.dataset_meta = {}
    with pytest.raises(InputError, match="gives no labels"):
        metric.process({"samples": []}, [])
    with pytest.raises(InputError, match="absent must be"):
        SemanticMetric(absent="")
