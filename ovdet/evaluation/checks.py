"""What is wrong with results: rules that a detection cannot break and still be meant."""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ovdet.evaluation.columns import is_number
from ovdet.evaluation.entries import brief, more
from ovdet.evaluation.run_lengths import is_filled, is_rle
from ovdet.structures import InputError

if TYPE_CHECKING:
    from ovdet.evaluation.results import Coco, Results

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Problem = tuple[Bools, Callable[[int], str]]  # which entries, and what is wrong with one of them

_SLACK = 0.1  # of the image's side: how far a box may stick out of it
_CORNERS = 0.95  # so many boxes that fit as corners, and not as sides, are no accident


def refuse_malformed(entries: Sequence[Any], kind: str, cause: Exception) -> None:
    """Raise for entries that lack something, and say which is the first.

    Raises:
        InputError: Always.
    """
    wrong = [(i, told) for i, entry in enumerate(entries) if (told := _malformed(entry, kind))]
    if not wrong:
        raise InputError(f"results must be a list of objects: {cause}") from cause
    place, told = wrong[0]
    raise InputError(f"result {place}: {told}{more(len(wrong))}") from cause


def refuse_wrong(results: "Results", truth: "Coco", kind: str, *, partial: bool) -> None:
    """Raise for the first detection that cannot be meant.

    Args:
        results: The detections.
        truth: The COCO object they belong to.
        kind: ``bbox``, ``segm`` or ``boundary``.
        partial: Images and categories may be unknown.

    Raises:
        InputError: If one is wrong; the message names it and says how many more there are.
    """
    wrong = np.zeros(len(results), np.bool_)
    with np.errstate(invalid="ignore"):
        problems = list(_problems(results, truth, kind, partial=partial))
    for members, _ in problems:
        wrong |= members
    if not wrong.any():
        return
    first = int(np.argmax(wrong))
    told = next(message for members, message in problems if members[first])
    image = results.image_ids[first]
    raise InputError(f"result {first} (image {image}): {told(first)}{more(int(wrong.sum()))}")


def _malformed(entry: Any, kind: str) -> str | None:
    """Tell what an entry lacks, if anything."""
    if not isinstance(entry, dict):
        return f"must be an object, got {type(entry).__name__}"
    for key in ("image_id", "category_id"):
        value = entry.get(key)
        if not is_number(type(value), whole=True) or abs(entry[key]) >= 2**63:
            return f"{key} must be a whole number, got {brief(value)}"
    if not is_number(type(entry.get("score")), whole=False):
        return f"score must be a number, got {brief(entry.get('score'))}"
    if kind != "bbox":
        return None if "segmentation" in entry else "has no segmentation"
    box = entry.get("bbox")
    sides = list(box) if isinstance(box, list | tuple | np.ndarray) else []
    if len(sides) != 4 or not all(is_number(type(side), whole=False) for side in sides):
        return f"bbox must be four numbers x, y, width, height, got {brief(box)}"
    return None


def _problems(results: "Results", truth: "Coco", kind: str, *, partial: bool) -> Iterator[Problem]:
    images, categories = truth["images"], [c["id"] for c in truth["categories"]]
    known = np.isin(results.image_ids, [image["id"] for image in images])
    if not partial:
        yield ~known, lambda i: f"image_id {results.image_ids[i]} is not in the truth"
        strange = ~np.isin(results.category_ids, categories)
        yield (
            strange,
            lambda i: (
                f"category_id {results.category_ids[i]} is not one of the truth's "
                f"{len(categories)} (are the ids another data set's?)"
            ),
        )
    scores = results.scores
    yield ~np.isfinite(scores), lambda i: f"score must be finite, got {scores[i]}"
    if kind == "bbox":
        yield from _box_problems(results, images, known)
    else:
        yield from _mask_problems(results, images, known)


def _box_problems(
    results: "Results", images: list[dict[str, Any]], known: Bools
) -> Iterator[Problem]:
    boxes = results.boxes if results.boxes is not None else np.zeros((0, 4))
    finite = np.asarray(np.isfinite(boxes).all(axis=1))
    yield ~finite, lambda i: f"bbox must be four finite numbers, got {boxes[i].tolist()}"
    sides = np.asarray((boxes[:, 2:] < 0).any(axis=1))
    yield sides, lambda i: f"bbox must have width and height of 0 or more, got {boxes[i].tolist()}"
    if not all("width" in image and "height" in image for image in images):
        return
    size = _sizes(images, results.image_ids)[:, ::-1]  # [D, 2], width, height
    low, slack = boxes[:, :2], _SLACK * size
    beyond: Bools = (low + boxes[:, 2:] > size + slack).any(axis=1) & known
    corners = (boxes[:, 2:] >= low) & (boxes[:, 2:] <= size + slack) & (low >= -slack)
    if beyond.any() and np.asarray(corners.all(axis=1))[known].mean() >= _CORNERS:
        yield (
            beyond,
            lambda i: (
                f"bbox must be x, y, width, height, but {boxes[i].tolist()} leaves its image of "
                f"{size[i, 0]:.0f} x {size[i, 1]:.0f} px; the boxes look like x1, y1, x2, y2"
            ),
        )


def _mask_problems(
    results: "Results", images: list[dict[str, Any]], known: Bools
) -> Iterator[Problem]:
    masks = results.masks or []
    sizes = _sizes(images, results.image_ids).astype(np.int64).tolist()
    packed = [is_rle(mask) for mask in masks]
    yield ~np.array(packed, np.bool_), lambda _: "segmentation must be run lengths: size and counts"
    fits = [
        not (good and seen) or list(mask["size"]) == size
        for mask, size, good, seen in zip(masks, sizes, packed, known.tolist(), strict=True)
    ]
    yield (
        ~np.array(fits, np.bool_),
        lambda i: f"mask must be of its image's size {sizes[i]}, got {masks[i]['size']}",
    )
    right = np.flatnonzero([good and fit for good, fit in zip(packed, fits, strict=True)])
    short = np.zeros(len(results), np.bool_)
    short[right] = ~is_filled([masks[i] for i in right.tolist()])
    yield short, lambda i: f"mask's runs must fill its {masks[i]['size']} px"


def _sizes(images: list[dict[str, Any]], image_ids: Ints) -> Floats:
    """Return height and width of each result's image, [D, 2]; any where it is unknown."""
    order = sorted(images, key=itemgetter("id"))
    if not order:
        return np.zeros((len(image_ids), 2))
    ids = np.array([image["id"] for image in order], np.int64)
    sides = np.array([[i.get("height", 0), i.get("width", 0)] for i in order], np.float64)
    found: Floats = sides[np.minimum(np.searchsorted(ids, image_ids), len(ids) - 1)]
    return found
