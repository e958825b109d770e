"""Many small data sets, one figure: the mean over the sets, as ODinW takes it.

Li et al., "Grounded Language-Image Pre-training", CVPR 2022, https://arxiv.org/abs/2112.03857: 13
or 35 sets of other domains ("object detection in the wild"), box AP of each, and their plain mean,
whatever their sizes. A mean is comparable within one list of sets only.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ovdet.evaluation.coco import evaluate_coco
from ovdet.evaluation.results import Results, read_results
from ovdet.evaluation.truth import Coco, read_truth
from ovdet.structures import InputError

_SHOWN = ("AP", "AP50", "AP75")


def evaluate_sets(
    sets: Iterable[tuple[str, Coco, Results | Sequence[dict[str, Any]]]], kind: str = "bbox"
) -> dict[str, float]:
    """Score the results of several data sets.

    Args:
        sets: For each its name, its truth and its results; one is held at a time.
        kind: ``bbox`` or ``segm``.

    Returns:
        ``mean/AP``, ``mean/AP50`` and ``mean/AP75`` over the sets, ``sets``, their number, and
        ``<set>/AP`` of each, in [0, 1].

    Raises:
        InputError: If there is no set, a name stands twice, or a set has no object or is not
            usable; the message begins with its name.
    """
    found: dict[str, list[float]] = {}
    for name, truth, results in sets:
        if name in found:
            raise InputError(f"{name}: each set must stand once")
        if not any(not annotation.get("iscrowd") for annotation in truth["annotations"]):
            raise InputError(f"{name}: must hold an object, or its AP is not defined")
        try:
            report = evaluate_coco(truth, results, kind)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        found[name] = [report[f"all/{measure}"] for measure in _SHOWN]
    if not found:
        raise InputError("must be at least one set, got none")
    means = np.mean(list(found.values()), axis=0)
    figures = {f"mean/{m}": float(v) for m, v in zip(_SHOWN, means, strict=True)}
    figures["sets"] = float(len(found))
    return figures | {f"{name}/AP": values[0] for name, values in found.items()}


def read_sets(
    truth: Path, results: Path, kind: str = "bbox"
) -> Iterator[tuple[str, Coco, Results]]:
    """Yield name, truth and results of each set of a folder.

    Args:
        truth: A folder of COCO files.
        results: A folder of COCO results files, each under its truth's name; folders in it are
            walked. What has no results is not measured.
        kind: ``bbox`` or ``segm``.

    Raises:
        InputError: If a file of results has no truth, or is not usable.
    """
    paths = sorted(results.rglob("*.json"))
    if not paths:
        raise InputError(f"{results}: holds no results, no file ending with .json")
    for path in paths:
        name = path.relative_to(results)
        if not (truth / name).is_file():
            raise InputError(f"{path}: has no truth, there is no {truth / name}")
        known = read_truth(truth / name)
        yield name.with_suffix("").as_posix(), known, read_results(path, known, kind)
