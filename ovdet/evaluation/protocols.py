"""The published protocols: what each reads, how it counts, and which figures it is known by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ovdet.evaluation.names import ABSENT, KINDS
from ovdet.evaluation.results import Results, read_results
from ovdet.evaluation.truth import Coco, read_truth
from ovdet.structures import InputError, Vocabulary, read_json


@dataclass(frozen=True)
class Question:
    """What is to be measured.

    Attributes:
        truth: The file or folder of the truth.
        results: The file or folder of the results.
        kind: What of a detection is compared: ``bbox``, ``segm`` or ``boundary``.
        vocabulary: Says which classes are novel, and for label maps which classes there are.
        partial: Leave out results of images and classes that the truth has not.
        backend: Who computes average precision.
        classes: Also give each class's figure.
        absent: Of label maps, which classes without truth count: see
            :func:`~ovdet.evaluation.evaluate_semantic`.
        last: Of label maps, a class that also takes all predictions beyond it.
    """

    truth: Path
    results: Path
    kind: str = "bbox"
    vocabulary: Vocabulary | None = None
    partial: bool = False
    backend: str = "hotcoco"
    classes: bool = False
    absent: str = "skip"
    last: int | None = None


@dataclass(frozen=True)
class Answer:
    """What was measured.

    Attributes:
        figures: By name; in [0, 1], but for counts.
        notes: What a reader of the figures must know.
        truth: The COCO object that counted, where a report can be made of it.
        found: The detections that counted.
        novel_ids: Category ids of the novel classes.
        fixed: Whether the best of a class over the set counted, as in fixed AP.
    """

    figures: dict[str, float]
    notes: tuple[str, ...] = ()
    truth: Coco | None = None
    found: Results | None = None
    novel_ids: tuple[int, ...] = ()
    fixed: bool = False


@dataclass(frozen=True)
class Protocol:
    """One way to measure.

    Attributes:
        evaluate: Measures.
        headline: What it is known by: a label and a figure's name, the first one first.
        kinds: What of a detection may be compared, the default first; empty where there is no
            choice.
        vocabulary: The published vocabulary that is meant where none is given.
        prefix: How the names begin under which an accumulator reports the same figures.
        needs_vocabulary: Whether it cannot do without one.
    """

    evaluate: Callable[[Question], Answer]
    headline: tuple[tuple[str, str], ...]
    kinds: tuple[str, ...] = ()
    vocabulary: str = ""
    prefix: str = ""
    needs_vocabulary: bool = False


def ask(name: str, question: Question) -> Answer:
    """Measure by a protocol.

    Args:
        name: One of ``PROTOCOLS``.
        question: What is to be measured; ``kind`` must be one of the protocol's.

    Raises:
        InputError: If the protocol or its kind is unknown, or a file is wrong.
    """
    protocol = find_protocol(name)
    if protocol.kinds and question.kind not in protocol.kinds:
        raise InputError(f"{name} compares {' or '.join(protocol.kinds)}, got {question.kind}")
    if protocol.needs_vocabulary and question.vocabulary is None:
        raise InputError(f"{name} needs a vocabulary that names the classes")
    return protocol.evaluate(question)


def find_protocol(name: str) -> Protocol:
    """Return the protocol of that name.

    Raises:
        InputError: If there is none.
    """
    if name not in PROTOCOLS:
        raise InputError(f"unknown protocol {name!r}; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def headline(protocol: Protocol, figures: Mapping[str, float]) -> str:
    """Return what a protocol is known by in one line, in %, ``-`` where nothing was measured."""
    shown = [(label, figures[key]) for label, key in protocol.headline if key in figures]
    return ", ".join(f"{label} {percent(value)}" for label, value in shown)


def percent(value: float) -> str:
    """Return a figure in %, ``-`` where nothing was measured."""
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


def headlines(metrics: Mapping[str, float]) -> list[str]:
    """Return a line for each protocol that a run's metrics hold.

    Args:
        metrics: By name, such as ``coco/bbox/novel/AP50``.
    """
    lines: dict[str, str] = {}
    for protocol in sorted(PROTOCOLS.values(), key=lambda p: not p.vocabulary):  # divided first
        for prefix in _prefixes(protocol):
            own = {
                key.removeprefix(prefix): value
                for key, value in metrics.items()
                if key.startswith(prefix)
            }
            first = own.get(protocol.headline[0][1], float("nan"))
            if prefix not in lines and not np.isnan(first):
                lines[prefix] = f"{prefix.rstrip('/')}: {headline(protocol, own)}"
    return list(lines.values())


def _prefixes(protocol: Protocol) -> list[str]:
    if not protocol.prefix:
        return []
    return [f"{protocol.prefix}/{kind}/" for kind in protocol.kinds] or [f"{protocol.prefix}/"]


def _coco(question: Question) -> Answer:
    from ovdet.evaluation.coco import evaluate_coco

    truth = read_truth(question.truth)
    found, notes = _detections(question, truth)
    novel = _novel_ids(truth, question.vocabulary)
    figures = evaluate_coco(
        truth,
        found,
        question.kind,
        novel,
        backend=question.backend,
        classes=question.classes,
    )
    if not novel:  # then base is all
        figures = {k: v for k, v in figures.items() if not k.startswith(("base/", "novel/"))}
    return Answer(figures, notes, truth, found, novel)


def _open_coco(question: Question) -> Answer:
    """Measure on the vocabulary's classes alone, whatever else the files hold."""
    from ovdet.evaluation.coco import evaluate_coco

    whole = read_truth(question.truth)
    found, notes = _detections(question, whole)
    place = _ids(whole, question.vocabulary or Vocabulary(()), question.truth)
    truth = {
        "images": whole["images"],
        "annotations": [a for a in whole["annotations"] if _stays(a, place)],
        "categories": [c for c in whole["categories"] if c["id"] in place],
    }
    inside = np.isin(found.category_ids, list(place))
    if not inside.all():
        left = int((~inside).sum())
        notes += (f"{left:,} results of classes outside the vocabulary were left out",)
        found = found.take(np.flatnonzero(inside))
    novel = tuple(category for category, is_novel in place.items() if is_novel)
    figures = evaluate_coco(
        truth, found, question.kind, novel, backend=question.backend, classes=question.classes
    )
    sides = f"({len(place) - len(novel)} base + {len(novel)} novel) / {len(place)}"
    notes += (f"all: one evaluation of {len(place)} classes; weighted: {sides}",)
    return Answer(figures, notes, truth, found, novel)


def _stays(annotation: dict[str, Any], place: dict[int, bool]) -> bool:
    """Return whether an annotation is of the classes, or so wrong that it must be refused."""
    category = annotation.get("category_id")
    return type(category) is not int or category in place


def _lvis(question: Question) -> Answer:
    return _federated(question, fixed=False)


def _lvis_fixed(question: Question) -> Answer:
    return _federated(question, fixed=True)


def _open_lvis(question: Question) -> Answer:
    """Measure with the rare classes as the novel ones, unless a vocabulary says otherwise."""
    if question.vocabulary is not None:
        return _lvis(question)
    answer = _lvis(question)
    truth = answer.truth or {}
    rare = tuple(c["id"] for c in truth.get("categories", ()) if c.get("frequency") == "r")
    return replace(answer, novel_ids=rare)


def _federated(question: Question, *, fixed: bool) -> Answer:
    from ovdet.evaluation.lvis import count_short_classes, evaluate_lvis

    truth = read_truth(question.truth)
    found, notes = _detections(question, truth)
    novel = _novel_ids(truth, question.vocabulary)
    figures = evaluate_lvis(
        truth,
        found,
        question.kind,
        novel,
        fixed=fixed,
        backend=question.backend,
        classes=question.classes,
    )
    short = count_short_classes(truth, found)
    if fixed and short:
        notes += (
            f"{short:,} of {len(truth['categories']):,} classes have fewer than 10,000 results; "
            "results that were cut by image give no fixed AP",
        )
    return Answer(figures, notes, truth, found, novel, fixed)


def _panoptic(question: Question) -> Answer:
    from ovdet.evaluation.panoptic import evaluate_panoptic_files

    novel: tuple[int, ...] = ()
    if question.vocabulary is not None:
        novel = _novel_ids(read_truth(question.truth), question.vocabulary)
    return Answer(
        evaluate_panoptic_files(
            question.truth, question.results, novel_ids=novel, classes=question.classes
        )
    )


def _semantic(question: Question) -> Answer:
    from ovdet.evaluation.label_maps import evaluate_label_maps

    vocabulary = question.vocabulary or Vocabulary(())
    figures = evaluate_label_maps(
        question.truth,
        question.results,
        vocabulary,
        last=question.last,
        absent=question.absent,
        classes=question.classes,
    )
    return Answer(figures, (f"classes without a pixel in the truth {ABSENT[question.absent]}",))


def _sets(question: Question) -> Answer:
    from ovdet.evaluation.sets import evaluate_sets, read_sets

    sets = read_sets(question.truth, question.results, question.kind)
    return Answer(evaluate_sets(sets, question.kind))


def _phrases(question: Question) -> Answer:
    from ovdet.evaluation.grounding import evaluate_phrases

    return Answer(evaluate_phrases(*_both(question)))


def _expressions(question: Question) -> Answer:
    from ovdet.evaluation.grounding import evaluate_expressions

    return Answer(evaluate_expressions(*_both(question)))


def _classification(question: Question) -> Answer:
    from ovdet.evaluation.answers import evaluate_classification

    truth, results = read_truth(question.truth), _list(question.results)
    return Answer(evaluate_classification(truth, results))


def _retrieval(question: Question) -> Answer:
    from ovdet.evaluation.answers import evaluate_retrieval

    return Answer(evaluate_retrieval(_list(question.truth), _list(question.results)))


def _both(question: Question) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    truth = read_json(question.truth)
    if not isinstance(truth, dict):
        raise InputError(f"{question.truth}: must be a COCO object with 'sentences'")
    return truth, _list(question.results)


def _list(path: Path) -> list[dict[str, Any]]:
    entries = read_json(path)
    if not isinstance(entries, list):
        raise InputError(f"{path}: must be a list, got {type(entries).__name__}")
    return entries


def _detections(question: Question, truth: Coco) -> tuple[Results, tuple[str, ...]]:
    found = read_results(question.results, truth, question.kind, partial=question.partial)
    return found, ("results of unknown images or classes were left out",) * question.partial


def _novel_ids(truth: Coco, vocabulary: Vocabulary | None) -> tuple[int, ...]:
    """Return the novel classes: those of the vocabulary, else those the truth marks as such."""
    if vocabulary is None:
        return tuple(c["id"] for c in truth["categories"] if c.get("novel") is True)
    place = _ids(truth, vocabulary, Path("the truth"))
    return tuple(category for category, novel in place.items() if novel)


def _ids(truth: Coco, vocabulary: Vocabulary, path: Path) -> dict[int, bool]:
    """Return the truth's ids of the vocabulary's classes, and whether each is novel.

    Classes are recognised by their names; where a data set has changed some of its spelling, so
    that most names still agree, by the vocabulary's own ids.
    """
    by_name = {str(c.get("name")): c["id"] for c in truth["categories"]}
    ids = [by_name.get(name) for name in vocabulary.names]
    agreed = sum(a == b for a, b in zip(ids, vocabulary.category_ids, strict=True))
    if None in ids and 2 * agreed >= len(ids):
        ids = list(vocabulary.category_ids)
    known = set(by_name.values())
    if missing := [n for n, i in zip(vocabulary.names, ids, strict=True) if i not in known]:
        shown = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise InputError(f"{path}: has no category for {len(missing)} of the classes: {shown}")
    pairs = zip(ids, vocabulary.novel_mask, strict=True)
    return {category: novel for category, novel in pairs if category is not None}


_BOTH = (("any box R@1", "any/recall@1"), ("merged R@1", "merged/recall@1"))

PROTOCOLS: dict[str, Protocol] = {
    "coco": Protocol(
        _coco,
        (("AP", "all/AP"), ("AP50", "all/AP50"), ("AP75", "all/AP75")),
        KINDS,
        prefix="coco",
    ),
    "ov-coco": Protocol(
        _open_coco,
        (
            ("novel AP50", "novel/AP50"),
            ("base AP50", "base/AP50"),
            ("all AP50", "all/AP50"),
            ("weighted AP50", "weighted/AP50"),
        ),
        KINDS,
        vocabulary="@coco-ov",
        prefix="coco",
    ),
    "lvis": Protocol(
        _lvis,
        (
            ("AP", "all/AP"),
            ("APr", "rare/AP"),
            ("APc", "common/AP"),
            ("APf", "frequent/AP"),
        ),
        KINDS,
        prefix="lvis",
    ),
    "lvis-fixed": Protocol(
        _lvis_fixed,
        (
            ("fixed AP", "all/AP"),
            ("APr", "rare/AP"),
            ("APc", "common/AP"),
            ("APf", "frequent/AP"),
        ),
        KINDS,
        prefix="lvis-fixed",
    ),
    "ov-lvis": Protocol(
        _open_lvis,
        (
            ("APr", "rare/AP"),
            ("APc", "common/AP"),
            ("APf", "frequent/AP"),
            ("AP", "all/AP"),
        ),
        KINDS,
    ),
    "odinw": Protocol(
        _sets,
        (("mean AP", "mean/AP"), ("mean AP50", "mean/AP50")),
        ("bbox", "segm"),
    ),
    "panoptic": Protocol(
        _panoptic,
        (
            ("PQ", "all/PQ"),
            ("SQ", "all/SQ"),
            ("RQ", "all/RQ"),
            ("things PQ", "things/PQ"),
            ("stuff PQ", "stuff/PQ"),
            ("seen PQ", "seen/PQ"),
            ("unseen PQ", "unseen/PQ"),
        ),
        prefix="panoptic",
    ),
    "semantic": Protocol(
        _semantic,
        (
            ("mIoU", "mIoU"),
            ("seen", "mIoU(S)"),
            ("unseen", "mIoU(U)"),
            ("hIoU", "hIoU"),
            ("pAcc", "pAcc"),
        ),
        prefix="semantic",
        needs_vocabulary=True,
    ),
    "phrases": Protocol(
        _phrases,
        _BOTH,
        prefix="phrases",
    ),
    "expressions": Protocol(
        _expressions,
        (("accuracy@0.5", "accuracy@0.5"),),
    ),
    "classification": Protocol(
        _classification,
        (("top-1", "top1"), ("top-5", "top5")),
        prefix="zero_shot",
    ),
    "retrieval": Protocol(
        _retrieval,
        (
            ("image to text R@1", "image_to_text@1"),
            ("R@5", "image_to_text@5"),
            ("R@10", "image_to_text@10"),
            ("text to image R@1", "text_to_image@1"),
            ("R@5", "text_to_image@5"),
            ("R@10", "text_to_image@10"),
        ),
        prefix="retrieval",
    ),
}
