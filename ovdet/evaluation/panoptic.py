"""Panoptic quality, for things, stuff, seen, unseen and all classes.

Kirillov et al., "Panoptic Segmentation", CVPR 2019, https://arxiv.org/abs/1801.00868, Sec. 4; void
and crowds as COCO's panopticapi treats them. A segment is found when one of its class overlaps it
by more than half; PQ = SQ x RQ = sum of IoU / (TP + FP / 2 + FN / 2), for each class, then the mean
over the classes that the truth or the predictions hold.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ovdet.evaluation.entries import refuse, whole
from ovdet.evaluation.precision import mean_known
from ovdet.registry import METRICS
from ovdet.structures import InputError, Sample, read_json

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
VOID = 0
_IDS = 256**3  # how many a PNG can tell apart


@dataclass(frozen=True)
class Segments:
    """One image divided into S segments.

    Attributes:
        ids: [H, W], int64, the segment of each pixel, below 256^3; ``VOID`` is none.
        segments: [S], int64, the ids of the segments.
        labels: [S], int64, their classes, 0 to C - 1.
        crowd: [S], bool, whether a segment of the truth is a crowd.
    """

    ids: Ints
    segments: Ints
    labels: Ints
    crowd: NDArray[np.bool_]

    @classmethod
    def of(
        cls, ids: NDArray[Any], labels: dict[int, int], crowds: Sequence[int] = ()
    ) -> "Segments":
        """Return the segments of a map [H, W] with the class of each id, and the crowds' ids."""
        segments = np.array(list(labels), np.int64)
        classes = np.array(list(labels.values()), np.int64)
        crowd = np.isin(segments, np.array(list(crowds), np.int64))
        return cls(ids.astype(np.int64), segments, classes, crowd)


def panoptic_counts(truth: Segments, found: Segments, classes: int) -> Floats:
    """Match the segments of one image.

    Pixels of the truth that no listed segment holds are void: they count neither way, and a found
    segment that lies in void and crowds of its class by more than half is no error.

    Args:
        truth: The segments as they are.
        found: The segments as they were found; each of its ids must have a pixel and a class.
        classes: C.

    Returns:
        [4, C]: the sum of IoU over the found, and how many were found (TP), wrong (FP) and missed
        (FN).

    Raises:
        InputError: If the sizes differ, or ids and classes of what was found do not fit.
    """
    if truth.ids.shape != found.ids.shape:
        raise InputError(f"found must be {truth.ids.shape} as the truth, got {found.ids.shape}")
    _check(found, classes)
    known = np.where(np.isin(truth.ids, truth.segments), truth.ids, VOID)
    first, second, shared = _intersections(known, found.ids)
    return _match(truth, found, (first, second, shared), classes)


def evaluate_panoptic(
    counts: Floats, things: Sequence[bool], novel: Sequence[bool] = (), names: Sequence[str] = ()
) -> dict[str, float]:
    """Return the figures of counts.

    Args:
        counts: [4, C], see :func:`panoptic_counts`, summed over the images.
        things: For each class whether it is countable.
        novel: For each class whether it is unseen; empty means none is.
        names: C names, to give each class's ``PQ/<name>`` too.

    Returns:
        ``<group>/PQ``, ``/SQ`` and ``/RQ`` in [0, 1] for the groups all, things, stuff and, where
        a class is unseen, seen and unseen; NaN for a group that has nothing to measure.

    Raises:
        InputError: If the lists do not have one entry a class.
    """
    classes = counts.shape[1]
    for key, values in (("things", things), ("novel", novel), ("names", names)):
        if len(values) != classes and (len(values) or key == "things"):
            raise InputError(f"{key} must have one entry a class, {classes}, got {len(values)}")
    overlap, right, wrong, missed = counts
    with np.errstate(invalid="ignore"):
        found = right / (right + wrong / 2 + missed / 2)
        quality = np.where((right == 0) & ~np.isnan(found), 0, overlap / right)
    thing = np.array(things, np.bool_)
    groups = {"all": np.ones(classes, np.bool_), "things": thing, "stuff": ~thing}
    if any(novel):
        unseen = np.array(novel, np.bool_)
        groups |= {"seen": ~unseen, "unseen": unseen}
    figures = {"PQ": found * quality, "SQ": quality, "RQ": found}
    report = {
        f"{group}/{figure}": mean_known(values[members])
        for group, members in groups.items()
        for figure, values in figures.items()
    }
    each = zip(names, figures["PQ"], strict=bool(names))
    return report | {f"PQ/{name}": float(v) for name, v in each if not np.isnan(v)}


def evaluate_panoptic_files(
    truth: Path,
    results: Path,
    truth_dir: Path | None = None,
    results_dir: Path | None = None,
    *,
    novel_ids: Sequence[int] = (),
    classes: bool = False,
) -> dict[str, float]:
    """Score a COCO panoptic JSON and its PNG files against another.

    Args:
        truth: The JSON file of the truth, with ``categories`` and ``annotations``.
        results: The JSON file of the predictions, with ``annotations`` for the same images.
        truth_dir: The folder of the truth's PNG files; None is ``truth`` without its ending.
        results_dir: The folder of the predicted ones; None is ``results`` without its ending.
        novel_ids: Category ids of the unseen classes; all others are seen.
        classes: Also give each class's PQ.

    Returns:
        The figures of :func:`evaluate_panoptic`.

    Raises:
        InputError: If a file is not usable, or the predictions are not of the truth's images, of
            its size, or of its categories; the first such image is named, the others counted.
    """
    record, found = _read(truth, "categories"), _read(results)
    ids, names, things = _categories(record["categories"], truth)
    place = {number: i for i, number in enumerate(ids)}
    answers = _answers(record["annotations"], found["annotations"], results)
    folders = truth_dir or truth.with_suffix(""), results_dir or results.with_suffix("")
    counts = np.zeros((4, len(ids)))
    wrong: list[str] = []
    for entry in record["annotations"]:
        number = entry["image_id"]
        try:
            theirs = _segments(entry, folders[0], place)
        except InputError as error:
            raise InputError(f"{truth}: image {number}: {error}") from error
        try:
            mine = _segments(answers[number], folders[1], place)
            counts += panoptic_counts(theirs, mine, len(ids))
        except InputError as error:
            wrong.append(f"{results}: image {number}: {error}")
    refuse(wrong)
    novel = [number in set(novel_ids) for number in ids]
    return evaluate_panoptic(counts, things, novel, names if classes else ())


def _intersections(truth: Ints, found: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the pairs of ids that share pixels, and how many they share.

    Pixels are taken as runs of one pair: there are far fewer runs than pixels to be sorted.
    """
    pair = (truth * _IDS + found).ravel()
    starts = np.flatnonzero(np.diff(pair, prepend=-1))
    pairs, place = np.unique(pair[starts], return_inverse=True)
    lengths = np.diff(starts, append=len(pair))
    shared = np.bincount(place, lengths, len(pairs)).astype(np.int64)
    return pairs // _IDS, pairs % _IDS, shared


def _match(
    truth: Segments, found: Segments, pairs: tuple[Ints, Ints, Ints], classes: int
) -> Floats:
    first, second, shared = pairs
    theirs, mine = (_Lookup(part.segments) for part in (truth, found))
    area = theirs.sums(first, shared), mine.sums(second, shared)
    in_void = mine.sums(second[first == VOID], shared[first == VOID])
    both = (first != VOID) & (second != VOID)
    t, f, common = theirs.places(first[both]), mine.places(second[both]), shared[both]
    same = truth.labels[t] == found.labels[f]
    union = area[0][t] + area[1][f] - common - in_void[f]
    matched = same & ~truth.crowd[t] & (common * 2 > union)
    iou = common[matched] / union[matched]
    excused = in_void + np.bincount(
        f[same & truth.crowd[t]], common[same & truth.crowd[t]], len(found.segments)
    )
    wrong = excused * 2 <= area[1]
    wrong[f[matched]] = False
    missed = ~truth.crowd
    missed[t[matched]] = False
    label = truth.labels[t[matched]]
    return np.stack(
        [
            np.bincount(label, iou, classes),
            np.bincount(label, minlength=classes),
            np.bincount(found.labels[wrong], minlength=classes),
            np.bincount(truth.labels[missed], minlength=classes),
        ]
    )


class _Lookup:
    """From ids to places in a list of ids."""

    def __init__(self, ids: Ints) -> None:
        self.order = np.argsort(ids, kind="stable")
        self.sorted = ids[self.order]

    def places(self, ids: Ints) -> Ints:
        """Return the places of ids that are all in the list."""
        places: Ints = self.order[np.searchsorted(self.sorted, ids)]
        return places

    def sums(self, ids: Ints, values: Ints) -> Ints:
        """Return for each listed id the sum of its values; ids not in the list are left out."""
        kept = np.isin(ids, self.sorted)
        size = len(self.sorted)
        return np.bincount(self.places(ids[kept]), values[kept], size).astype(np.int64)


def _check(found: Segments, classes: int) -> None:
    seen = np.unique(found.ids.ravel()[np.flatnonzero(np.diff(found.ids.ravel(), prepend=-1))])
    if len(bare := np.setdiff1d(seen, np.append(found.segments, VOID))):
        raise InputError(f"segment {bare[0]} of the map has no class")
    if len(empty := np.setdiff1d(found.segments, seen)):
        raise InputError(f"segment {empty[0]} has no pixel in the map")
    if len(wrong := found.labels[(found.labels < 0) | (found.labels >= classes)]):
        raise InputError(f"classes must be 0 to {classes - 1}, got {wrong[0]}")


def _read(path: Path, *more: str) -> dict[str, Any]:
    record = read_json(path)
    for key in ("annotations", *more):
        if not isinstance(record, dict) or not isinstance(record.get(key), list):
            raise InputError(f"{path}: must be a COCO panoptic object with a list '{key}'")
    for place, entry in enumerate(record["annotations"]):
        for key, kind in (("image_id", int), ("file_name", str), ("segments_info", list)):
            if not isinstance(entry, dict) or type(entry.get(key)) is not kind:
                raise InputError(f"{path}: annotations[{place}] must have '{key}', {kind.__name__}")
    return dict(record)


def _categories(entries: list[Any], path: Path) -> tuple[list[int], list[str], list[bool]]:
    ids = [whole(entry, "id", f"{path}: category {i}") for i, entry in enumerate(entries)]
    if len(set(ids)) < len(ids):
        raise InputError(f"{path}: category ids must be distinct")
    names = [str(entry.get("name", entry["id"])) for entry in entries]
    return ids, names, [bool(entry.get("isthing", 1)) for entry in entries]


def _answers(truth: list[Any], found: list[Any], path: Path) -> dict[int, dict[str, Any]]:
    """Return the predictions by image, one for each image of the truth."""
    answers = {entry["image_id"]: entry for entry in found}
    known = {entry["image_id"] for entry in truth}
    for what, odd in (
        ("of an unknown", set(answers) - known),
        ("missing for", known - set(answers)),
    ):
        refuse([f"{path}: a prediction is {what} image {number}" for number in sorted(odd)])
    seen = Counter(entry["image_id"] for entry in found)
    refuse([f"{path}: image {n} is predicted {k} times" for n, k in seen.items() if k > 1])
    return answers


def _segments(entry: dict[str, Any], folder: Path, place: dict[int, int]) -> Segments:
    labels: dict[int, int] = {}
    for info in entry["segments_info"]:
        number = whole(info, "id", "a segment")
        category = whole(info, "category_id", f"segment {number}")
        if category not in place:
            raise InputError(f"segment {number} names category {category}, unknown to the truth")
        labels[number] = place[category]
    crowds = [info["id"] for info in entry["segments_info"] if info.get("iscrowd")]
    return Segments.of(read_ids(folder / entry["file_name"]), labels, crowds)


def read_ids(path: Path) -> Ints:
    """Return the segment ids [H, W] of a panoptic PNG: R + 256 G + 65536 B.

    Raises:
        InputError: If the file cannot be read.
    """
    try:
        with Image.open(path) as image:
            colours = np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an image: {error}") from error
    red, green, blue = (colours[..., i].astype(np.int64) for i in range(3))
    return red + 256 * green + 65_536 * blue


Prediction = tuple[Tensor, dict[int, int]]


@METRICS.register_module()
class PanopticMetric(BaseMetric):  # type: ignore[misc]
    """Counts the segments of each image and scores them with :func:`evaluate_panoptic`.

    Of each image only the counts of the classes it shows are kept and sent between processes.

    Args:
        classes: Also give each class's PQ.
    """

    default_prefix = "panoptic"

    def __init__(self, *, classes: bool = False) -> None:
        super().__init__()
        self.classes = classes
        self._truth: dict[int, tuple[int, dict[str, Any]]] = {}

    def process(
        self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Prediction]
    ) -> None:
        """Count the segments of a batch.

        Args:
            data_batch: ``samples``: B samples.
            data_samples: B pairs: a map [H, W] of segment ids, int64, in px of the stored image,
                0 for none; and the class of each id, indices into the data set's vocabulary.

        Raises:
            InputError: If a map has another size than its truth, or ids and classes do not fit.
        """
        size = len(self._meta("vocabulary"))
        for sample, (ids, labels) in zip(data_batch["samples"], data_samples, strict=True):
            found = Segments.of(ids.cpu().numpy(), labels)
            try:
                counts = panoptic_counts(self._truth_of(sample.image_id), found, size)
            except InputError as error:
                raise InputError(f"{sample.file_name}: {error}") from error
            shown = np.flatnonzero(counts.any(axis=0))
            self.results.append((shown, counts[:, shown]))

    def compute_metrics(self, results: list[tuple[Ints, Floats]]) -> dict[str, float]:
        """Return all figures."""
        vocabulary = self._meta("vocabulary")
        counts = np.zeros((4, len(vocabulary)))
        for shown, part in results:
            counts[:, shown] += part
        names = vocabulary.names if self.classes else ()
        return evaluate_panoptic(counts, self._meta("things"), vocabulary.novel_mask, names)

    def _truth_of(self, image_id: int) -> Segments:
        if not self._truth:
            annotations = self._meta("truth")()["annotations"]
            self._truth = {entry["image_id"]: (i, entry) for i, entry in enumerate(annotations)}
        index, entry = self._truth[image_id]
        place = {n: i for i, n in enumerate(self._meta("vocabulary").category_ids)}
        labels = {info["id"]: place[info["category_id"]] for info in entry["segments_info"]}
        crowds = [info["id"] for info in entry["segments_info"] if info.get("iscrowd")]
        read: Callable[[int], Ints] = self._meta("ids")
        return Segments.of(read(index), labels, crowds)

    def _meta(self, key: str) -> Any:
        if not self.dataset_meta or key not in self.dataset_meta:
            raise InputError(f"PanopticMetric needs a panoptic data set, it gives no {key}")
        return self.dataset_meta[key]
