"""From a plan to a model's folder and a report of what was gained and what was lost."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmengine.config import Config
from torch import Tensor

from ovdet.apis import zoo
from ovdet.apis.described import Described, read_described, save_model
from ovdet.data.coco import CocoDataset
from ovdet.finetuning.lora import need_peft
from ovdet.finetuning.plan import Plan, folder_of
from ovdet.finetuning.pupil import ROWS, blend
from ovdet.finetuning.retention import (
    HeldOut,
    check_apart,
    held_of,
    held_out_set,
    measure,
    read_set,
    without_sides,
)
from ovdet.finetuning.start import build_start, describe_pupil, introduce, parts_of
from ovdet.structures import InputError, atomic_write

REPORT = "retention.json"
_RATES = {"head": 1e-2, "lora": 1e-3, "full": 1e-4}
_ROWS_RATE = 1e-2
_SCALES = (0.8, 0.9, 1.0, 1.1, 1.2)
_BATCH = 4


def finetune(plan: Plan, say: Callable[[str], None] = print) -> HeldOut:
    """Teach new names to a model; write its folder and ``retention.json`` into ``plan.out``.

    Args:
        plan: What is to be learnt.
        say: Told what is being done, one line each, and the report.

    Raises:
        InputError: If a file is not usable, the data hold no box, or the model cannot be taught.
        ImportError: If ``plan.how`` is ``lora`` and peft is missing.
        OSError: If the folder cannot be written.
    """
    if plan.how == "lora":
        need_peft()  # told before anything is measured
    described = read_described(plan.model, plan.checkpoint)
    settings = described.settings
    learnt = without_sides(read_set(plan.data, folder_of(plan.data, plan.images), settings))
    names = learnt.vocabulary.names
    if not learnt.image_counts().any():
        raise InputError(f"{plan.data}: holds no box to learn from")
    measured = learnt
    if plan.val is not None:
        measured = without_sides(read_set(plan.val, folder_of(plan.val, plan.val_images), settings))
    facts = describe_pupil(described.facts["model"], names, str(described.config))
    detector = build_start(described, facts)
    stickers = described.name == zoo.DEFAULT
    with held_out_set(plan, settings, stickers=stickers) as held_out:
        if isinstance(held_out, CocoDataset):
            check_apart(names, held_out)
        say(f"{len(learnt)} pictures of {', '.join(names)}: measuring {described.name} before")
        before = _measure_all(detector, measured, held_out, "before")
        introduce(detector, learnt, learnt.vocabulary)
        say(f"learning, {plan.iters} steps, {plan.how}")
        weights = _learn(plan, described, facts, parts_of(detector))
        detector.load_state_dict(weights)
        save_model(plan.out, facts, settings, weights)
        say("measuring after")
        after = _measure_all(detector, measured, held_out, "after")
    report = _report(plan, (measured, held_out), before, after)
    atomic_write(plan.out / REPORT, report.encode())
    for line in report.lines():
        say(line)
    return report


def _measure_all(
    detector: Any, new: CocoDataset, held_out: CocoDataset | str, when: str
) -> tuple[dict[str, float], dict[str, float]]:
    others: dict[str, float] = {}
    if isinstance(held_out, CocoDataset):
        others = measure(detector, held_out, f"held out, {when}")
    return measure(detector, new, f"new, {when}"), others


def _report(
    plan: Plan,
    sets: tuple[CocoDataset, CocoDataset | str],
    before: tuple[dict[str, float], dict[str, float]],
    after: tuple[dict[str, float], dict[str, float]],
) -> HeldOut:
    new, held_out = sets
    (gained,) = held_of("new classes", new, before[0], after[0])
    file = str(plan.data if plan.val is None else plan.val)
    if isinstance(held_out, str):
        return HeldOut(gained, file, plan.val is None, (), held_out)
    others = held_of("held out", held_out, before[1], after[1])
    return HeldOut(gained, file, plan.val is None, others)


def _learn(
    plan: Plan, described: Described, facts: dict[str, Any], start: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Train, and return the weights of the detector in the end."""
    from safetensors.torch import save_file

    from ovdet.engine import build_runner

    with TemporaryDirectory() as folder:
        file = Path(folder) / "start.safetensors"
        save_file({name: value.contiguous() for name, value in start.items()}, file)
        config = Config(_config(plan, described, facts, str(file)))
        runner = build_runner(config, Path(folder) / "work", seed=plan.seed)
        runner.train()
        weights: dict[str, Tensor] = runner.model.learnt()
    return blend(start, weights, plan.start_share) if plan.start_share else weights


def _config(plan: Plan, described: Described, facts: dict[str, Any], start: str) -> dict[str, Any]:
    rate = _RATES[plan.how]
    return {
        "model": {"type": "Pupil", "detector": facts, "start": start, "how": plan.how},
        "train": {
            "dataset": {
                "type": "CocoDataset",
                "ann_file": str(plan.data),
                "image_dir": str(folder_of(plan.data, plan.images)),
                "transforms": _changes(described),
                "cache_images": True,
            },
            "batch_size": _BATCH,
            "iters": plan.iters,
            "checkpoint_interval": plan.iters,
        },
        "optim": {
            "type": "AdamW",
            "lr": rate,
            "warmup": min(10, plan.iters // 5),
            "clip": 5.0,
            "rates": {f"detector.{ROWS}": _ROWS_RATE / rate},
        },
    }


def _changes(described: Described) -> list[dict[str, Any]]:
    """Return how a picture is changed while it is learnt from: its size a little, too."""
    changes: list[dict[str, Any]] = [{"type": "RandomFlip"}, {"type": "ColorJitter"}]
    short, longest = described.settings.short, described.settings.max
    if short is None:
        return changes
    shorts = sorted({min(round(scale * short), longest) for scale in _SCALES})
    return [{"type": "RandomResize", "shorts": shorts, "longest": longest}, *changes]
