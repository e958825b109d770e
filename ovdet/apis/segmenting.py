"""Asking for masks: what a model can be asked for, and what it then gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from ovdet.apis.answers import Answer, as_panoptic, as_result, as_semantic
from ovdet.apis.inputs import Picture
from ovdet.apis.result import Result
from ovdet.structures import InputError, Regions, Sample, Vocabulary

SEMANTIC, INSTANCE, PANOPTIC = "semantic", "instance", "panoptic"


class Asked(TypedDict, total=False):
    """What else ``Model.segment`` can be told; see there."""

    threshold: float | None
    top_k: int | None
    batch_size: int


@dataclass(frozen=True)
class Limits:
    """Which objects come back.

    Attributes:
        threshold: Least score, in [0, 1].
        top_k: Most objects a picture, at least 1.

    Raises:
        InputError: If a number is out of its range.
    """

    threshold: float
    top_k: int

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise InputError(f"threshold must lie in [0, 1], got {self.threshold}")
        if self.top_k < 1:
            raise InputError(f"top_k must be at least 1, got {self.top_k}")

    def keep(self, result: Result) -> Result:
        """Return what of a result, best first, is within the limits."""
        return result.filter(min_score=self.threshold)[: self.top_k]


def choose_task(module: Any, name: str, task: str | None) -> str:
    """Return what a module is asked for; its own task where ``task`` is None.

    Raises:
        InputError: If it cannot be asked for that.
    """
    if not hasattr(module, "segment"):
        if task not in {None, INSTANCE}:
            raise InputError(f"{name} is a detector and can be asked for instance, got {task!r}")
        return INSTANCE
    if task is not None and task not in module.tasks:
        raise InputError(f"{name} can be asked for {', '.join(module.tasks)}, got {task!r}")
    return task or str(module.task)


def answer(
    module: Any,
    task: str,
    pictures: list[tuple[Picture, Sample]],
    vocabulary: Vocabulary,
    limits: Limits,
) -> list[Answer]:
    """Ask a segmentor, or a detector for its masks; return one result a picture.

    Args:
        module: What ``choose_task`` was asked about.
        task: What that gave.
        pictures: B pictures with the samples that go into the network.
        vocabulary: The classes.
        limits: Which objects come back where the task is ``instance``.

    Raises:
        InputError: If the module finds boxes without masks.
    """
    samples = [sample for _, sample in pictures]
    if not hasattr(module, "segment"):
        found = module.predict(samples, vocabulary, threshold=limits.threshold, top_k=limits.top_k)
    else:
        found = module.segment(samples, vocabulary, task)
    convert = _CONVERT[task]
    results = [
        convert(picture, one, vocabulary) for (picture, _), one in zip(pictures, found, strict=True)
    ]
    return [limits.keep(one) if isinstance(one, Result) else one for one in results]


def _as_instances(picture: Picture, regions: Regions, vocabulary: Vocabulary) -> Result:
    if regions.masks is None:
        raise InputError("the model finds boxes without masks: ask it with detect()")
    return as_result(picture, regions, vocabulary)


_CONVERT: dict[str, Callable[[Picture, Any, Vocabulary], Answer]] = {
    SEMANTIC: as_semantic,
    INSTANCE: _as_instances,
    PANOPTIC: as_panoptic,
}
