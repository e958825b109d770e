"""Asking for masks: what a model can be asked for, and what it then gives."""

from typing import Any, TypedDict

from ovdet.apis.answers import Answer, Limits, as_panoptic, as_result, as_semantic
from ovdet.apis.inputs import Picture
from ovdet.apis.prompting import Question
from ovdet.structures import InputError, Sample

SEMANTIC, INSTANCE, PANOPTIC = "semantic", "instance", "panoptic"


class Asked(TypedDict, total=False):
    """What else ``Model.segment`` can be told; see there."""

    threshold: float | None
    top_k: int | None
    batch_size: int


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
    question: Question,
    limits: Limits,
) -> list[Answer]:
    """Ask a segmentor, or a detector for its masks; return one result a picture.

    Args:
        module: What ``choose_task`` was asked about.
        task: What that gave.
        pictures: B pictures with the samples that go into the network.
        question: The classes.
        limits: Which objects come back where the task is ``instance``.

    Raises:
        InputError: If the module finds boxes without masks, or is asked for segments by prompts of
            several words.
    """
    samples, vocabulary = [sample for _, sample in pictures], question.asked
    if task == PANOPTIC and question.rows is not None:
        raise InputError(
            "panoptic takes plain names: prompts are for detect, instance and semantic"
        )
    if not hasattr(module, "segment"):
        top = question.count(limits.top_k)
        found = module.predict(samples, vocabulary, threshold=limits.least, top_k=top)
    else:
        found = module.segment(samples, vocabulary, task)
    pairs = [(picture, one) for (picture, _), one in zip(pictures, found, strict=True)]
    if task == SEMANTIC:
        maps = ((picture, question.label_map(one)) for picture, one in pairs)
        return [as_semantic(picture, one, question.labels) for picture, one in maps]
    if task == PANOPTIC:
        things = module.things(vocabulary)
        return [as_panoptic(picture, one, vocabulary, things) for picture, one in pairs]
    return [_objects(picture, one, question, limits) for picture, one in pairs]


def _objects(picture: Picture, found: Any, question: Question, limits: Limits) -> Answer:
    if found.masks is None:
        raise InputError("the model finds boxes without masks: ask it with detect()")
    return as_result(picture, question.regions(found), question.labels, limits)
