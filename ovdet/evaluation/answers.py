"""Images named, and found by their sentences: scored from files, as any library can write them."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from ovdet.evaluation.entries import brief, field, finite, items, refuse, whole
from ovdet.structures import InputError

TOPS = (1, 5, 10)
_TEXTS, _IMAGES = "image_to_text", "text_to_image"


def evaluate_classification(
    truth: dict[str, list[dict[str, Any]]],
    results: list[dict[str, Any]],
    tops: Sequence[int] = (1, 5),
) -> dict[str, float]:
    """Score classes that were given to images.

    Args:
        truth: A COCO object whose annotations name one ``category_id`` an image.
        results: ``image_id``, ``category_id`` and ``score``; those of an image in any order.
        tops: The k to report.

    Returns:
        ``top<k>``, the part of the annotated images whose class is among their best k results, in
        [0, 1]; of equal scores the wrong ones come first. NaN without annotations. And ``images``,
        how many are annotated.

    Raises:
        InputError: If an image has several classes, or a result is of an unknown image or class or
            has a score that is not finite; the first such result is named, the others counted.
    """
    own = _own_classes(truth)
    answers = _answers(truth, results)
    best: dict[int, float] = {}
    for image, category, score in answers:
        if own.get(image) == category:
            best[image] = max(best.get(image, -np.inf), score)
    ahead = dict.fromkeys(best, 1)  # itself
    for image, category, score in answers:
        if image in best and category != own[image]:
            ahead[image] += score >= best[image]
    place = np.array([ahead.get(image, np.inf) for image in own])
    report = {f"top{k}": float((place <= k).mean()) if own else float("nan") for k in tops}
    return report | {"images": float(len(own))}


def _own_classes(truth: dict[str, list[dict[str, Any]]]) -> dict[int, int]:
    own: dict[int, int] = {}
    for number, annotation in enumerate(truth["annotations"]):
        where = f"annotation {number}"
        image, category = (whole(annotation, key, where) for key in ("image_id", "category_id"))
        if own.setdefault(image, category) != category:
            raise InputError(f"an image must have one class, image {image} has several")
    return own


def _answers(
    truth: dict[str, list[dict[str, Any]]], results: list[dict[str, Any]]
) -> list[tuple[int, int, float]]:
    """Return image, category and score of each result."""
    images = {whole(image, "id", f"image {i}") for i, image in enumerate(truth["images"])}
    categories = {
        whole(entry, "id", f"category {i}") for i, entry in enumerate(truth["categories"])
    }
    answers: list[tuple[int, int, float]] = []
    wrong: list[str] = []
    for number, result in enumerate(results):
        try:
            answers.append(_answer(result, f"result {number}", images, categories))
        except InputError as error:
            wrong.append(str(error))
    refuse(wrong)
    return answers


def _answer(
    result: dict[str, Any], where: str, images: set[int], categories: set[int]
) -> tuple[int, int, float]:
    image, category = (whole(result, key, where) for key in ("image_id", "category_id"))
    for key, value, known in (("image_id", image, images), ("category_id", category, categories)):
        if value not in known:
            raise InputError(f"{where} names {key} {value}, unknown to the truth")
    return image, category, finite(result, "score", where)


def evaluate_retrieval(
    truth: list[dict[str, Any]], results: list[dict[str, Any]], tops: Sequence[int] = TOPS
) -> dict[str, float]:
    """Score rankings of sentences for images, and of images for sentences.

    Args:
        truth: Captioned images, as :class:`~ovdet.data.CaptionFileDataset` reads them: each with
            ``caption`` or ``captions`` and an ``id``, else its place. Sentences are numbered from 0
            through the whole file.
        results: ``{"image_id", "captions"}``, numbers of sentences, and ``{"caption",
            "image_ids"}``, each best first. Who wants recall@k must rank k at least.
        tops: The k to report.

    Returns:
        ``image_to_text@k``, the part of images with one of their sentences among the first k, and
        ``text_to_image@k``, the part of sentences with their image among the first k; in [0, 1],
        NaN for a direction without any answer. A query without one is missed. And ``images`` and
        ``captions``, how many there are.

    Raises:
        InputError: If the truth is not usable, or a result ranks what is not there, the same twice,
            or a query that was answered before; the first such result is named, the others counted.
    """
    owner = _owners(truth)
    images = set(owner.values())
    firsts: dict[str, dict[int, float]] = {_TEXTS: {}, _IMAGES: {}}
    wrong: list[str] = []
    for number, result in enumerate(results):
        try:
            way, query, first = _rank(result, f"result {number}", owner, images)
        except InputError as error:
            wrong.append(str(error))
            continue
        if query in firsts[way]:
            wrong.append(f"result {number} answers for {query} again")
        firsts[way][query] = first
    refuse(wrong)
    sizes = {_TEXTS: len(images), _IMAGES: len(owner)}
    report = {
        f"{way}@{k}": sum(p < k for p in found.values()) / sizes[way] if found else float("nan")
        for way, found in firsts.items()
        for k in tops
    }
    return report | {"images": float(sizes[_TEXTS]), "captions": float(sizes[_IMAGES])}


def _owners(truth: list[dict[str, Any]]) -> dict[int, int]:
    """Return for each sentence the id of its image."""
    owner: list[int] = []
    seen: set[int] = set()
    for place, entry in enumerate(truth):
        where = f"image {place} of the truth"
        number = place if field(entry, "id", where) is None else whole(entry, "id", where)
        several = items(entry, "captions", where) if "captions" in entry else [entry.get("caption")]
        if number in seen or not several or not all(isinstance(text, str) for text in several):
            raise InputError(f"{where} must have an id of its own and captions, got {brief(entry)}")
        seen.add(number)
        owner += [number] * len(several)
    if not owner:
        raise InputError("the truth must hold a captioned image, got none")
    return dict(enumerate(owner))


def _rank(
    result: dict[str, Any], where: str, owner: Mapping[int, int], images: Set[int]
) -> tuple[str, int, float]:
    """Return which way a result asks, its query, and where its first right answer stands."""
    if field(result, "image_id", where) is not None:
        way, query = _TEXTS, whole(result, "image_id", where)
        wanted = query if query in images else None
        ranked = items(result, "captions", where)
        found = [owner.get(answer) if type(answer) is int else None for answer in ranked]
    else:
        way, query = _IMAGES, whole(result, "caption", where)
        wanted = owner.get(query)
        ranked = items(result, "image_ids", where)
        found = [a if type(a) is int and a in images else None for a in ranked]
    if wanted is None:
        raise InputError(f"{where} asks for {query}, unknown to the truth")
    if None in found:
        raise InputError(f"{where} ranks {brief(ranked[found.index(None)])}, unknown to the truth")
    if len(set(ranked)) < len(ranked):
        raise InputError(f"{where} must rank each answer once")
    return way, query, float(found.index(wanted)) if wanted in found else np.inf
