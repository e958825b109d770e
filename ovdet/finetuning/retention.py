"""What a model gained and what it lost: AP before and after, on new and on other names."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from tqdm import tqdm

from ovdet.apis.model import Settings
from ovdet.data.coco import CocoDataset
from ovdet.data.transforms import Resize
from ovdet.evaluation import CocoMetric
from ovdet.finetuning.plan import Plan, folder_of
from ovdet.structures import InputError

STICKERS = "@stickers-ov"
MOST = 2.0
"""AP50, in points: a greater loss on held-out names is warned of."""

_PICTURES = 100
_MEASURES = ("AP", "AP50")
_GROUPS = ("novel", "base", "all")
_TOGETHER = 4


@dataclass(frozen=True)
class Held:
    """What one set of names gives before and after.

    Attributes:
        name: As the report calls it.
        classes: Number of its classes that have an object.
        before: ``AP`` and ``AP50``, in %.
        after: Likewise.
    """

    name: str
    classes: int
    before: dict[str, float]
    after: dict[str, float]

    @property
    def change(self) -> dict[str, float]:
        """After less before, in points."""
        return {key: self.after[key] - self.before[key] for key in _MEASURES}

    def to_dict(self) -> dict[str, Any]:
        """Return all of it in plain values, to a tenth of a point."""
        rows = {"before": self.before, "after": self.after, "change": self.change}
        plain: dict[str, Any] = {"classes": self.classes}
        for key, row in rows.items():
            plain[key] = {measure: round(value, 1) for measure, value in row.items()}
        return plain


@dataclass(frozen=True)
class HeldOut:
    """The report of a fine-tuning.

    Attributes:
        new: The new names.
        measured_on: The COCO file they were measured on.
        learnt_from: Whether that is the one they were learnt from.
        others: Held-out names by group, ``novel``, ``base``, ``all``; empty where there are none.
        why: Why retention was not measured; empty where it was.
    """

    new: Held
    measured_on: str
    learnt_from: bool
    others: tuple[Held, ...]
    why: str = ""

    @property
    def warnings(self) -> list[str]:
        """One line for each group of held-out names that lost too much."""
        return [
            f"warning: AP50 of {held.name} fell by {-held.change['AP50']:.1f}, more than {MOST:g}; "
            "fewer --steps, a greater --keep or --how head keep more"
            for held in self.others
            if held.change["AP50"] < -MOST
        ]

    def lines(self) -> list[str]:
        """Return the report as a small table, in %, and what must be known of it."""
        rows = [self.new, *self.others]
        width = max(len(f"{row.name} ({row.classes})") for row in rows)
        lines = [f"{'':{width + 6}}{'before':>8}{'after':>8}{'change':>8}"]
        for row in rows:
            for measure in _MEASURES:
                label = f"{row.name} ({row.classes})" if measure == _MEASURES[0] else ""
                figures = row.before[measure], row.after[measure]
                cells = f"{figures[0]:8.1f}{figures[1]:8.1f}{row.change[measure]:+8.1f}"
                lines.append(f"{label:{width}}  {measure:<4}{cells}")
        if self.learnt_from:
            lines.append("new classes: measured on what they were learnt from; give --val FILE")
        if self.why:
            lines.append(f"retention was not measured: {self.why}")
        return lines + self.warnings

    def encode(self) -> bytes:
        """Return the report as JSON."""
        record = {
            "new": self.new.to_dict(),
            "measured_on": self.measured_on,
            "learnt_from": self.learnt_from,
            "held_out": {held.name: held.to_dict() for held in self.others},
            "why": self.why,
            "warnings": self.warnings,
        }
        return (json.dumps(record, indent=1) + "\n").encode()


def read_set(file: Path, images: Path, settings: Settings) -> CocoDataset:
    """Read a COCO file, its pictures in the size that the model takes.

    Raises:
        InputError: If the file is not usable.
    """
    changes = () if settings.short is None else (Resize(settings.short, settings.max),)
    return CocoDataset(str(file), str(images), changes)


@contextmanager
def held_out_set(plan: Plan, settings: Settings, *, stickers: bool) -> Iterator[CocoDataset | str]:
    """Give the data set that retention is measured on, or why there is none.

    Args:
        plan: Which it shall be.
        settings: The model's.
        stickers: Whether the model knows stickers, so that they serve where the plan names none.

    Raises:
        InputError: If the plan names one that is not usable.
    """
    if plan.held_out is None and not stickers:
        yield "name a COCO file of other classes with --held-out"
    elif plan.held_out in {None, STICKERS}:
        with TemporaryDirectory() as folder:
            try:
                dataset: CocoDataset | str = _stickers(Path(folder) / "stickers", settings)
            except InputError as error:
                if plan.held_out is not None:
                    raise
                dataset = str(error)
            yield dataset
    elif str(plan.held_out).startswith("@"):
        raise InputError(f"held-out must be {STICKERS} or a COCO file, got {plan.held_out!r}")
    else:
        file = Path(str(plan.held_out))
        yield read_set(file, folder_of(file, plan.held_out_images), settings)


def _stickers(folder: Path, settings: Settings) -> CocoDataset:
    from ovdet.data.stickers import write_track

    write_track("stickers-ov", folder, train=1, val=_PICTURES)
    return read_set(folder / "annotations" / "val.json", folder / "val", settings)


def check_apart(names: tuple[str, ...], dataset: CocoDataset) -> None:
    """Check that no held-out name is learnt.

    Raises:
        InputError: If one is.
    """
    if both := sorted(set(names) & set(dataset.vocabulary.names)):
        raise InputError(f"held-out names must not be learnt, but {both[0]!r} is in both files")


@torch.inference_mode()
def measure(detector: Any, dataset: CocoDataset, told: str) -> dict[str, float]:
    """Return box figures of a detector, in %, by ``<group>/<measure>``, where there are any.

    Args:
        detector: Has ``predict``.
        dataset: Its classes are asked for.
        told: What the progress bar says.
    """
    metric = CocoMetric(kinds=("bbox",))
    metric.dataset_meta = dataset.metainfo
    detector.eval()
    for first in tqdm(range(0, len(dataset), _TOGETHER), desc=told, disable=None, leave=False):
        samples = [dataset[i] for i in range(first, min(first + _TOGETHER, len(dataset)))]
        with _boxes_alone(detector):
            found = detector.predict(samples, dataset.vocabulary)
        metric.process({"samples": samples}, found)
    figures = metric.evaluate(len(dataset))
    report = {}
    for group, key in product(_GROUPS, _MEASURES):
        value = figures.get(f"coco/bbox/{group}/{key}", math.nan)
        if not math.isnan(value):
            report[f"{group}/{key}"] = 100 * value
    return report


@contextmanager
def _boxes_alone(detector: Any) -> Iterator[None]:
    """Let a detector draw no masks: nobody looks at them here, and they take their time."""
    masks = getattr(detector, "masks", None)
    if masks is not None:
        detector.masks = None
    try:
        yield
    finally:
        if masks is not None:
            detector.masks = masks


def held_of(
    name: str, dataset: CocoDataset, before: dict[str, float], after: dict[str, float]
) -> tuple[Held, ...]:
    """Return one ``Held`` for each group that was measured; novel and base only where both are.

    Args:
        name: What all of them are called.
        dataset: What was measured on.
        before: Figures of ``measure``.
        after: Likewise.
    """
    counts = _counts(dataset)
    groups = [group for group in _GROUPS if f"{group}/AP" in before]
    if "novel" not in groups or "base" not in groups:
        groups = [group for group in groups if group == "all"]
    return tuple(
        Held(
            name if groups == ["all"] else f"{name}, {group}",
            counts[group],
            {key: before[f"{group}/{key}"] for key in _MEASURES},
            {key: after[f"{group}/{key}"] for key in _MEASURES},
        )
        for group in groups
    )


def _counts(dataset: CocoDataset) -> dict[str, int]:
    shown = dataset.image_counts() > 0
    novel = torch.tensor(dataset.vocabulary.novel_mask).numpy()
    sides = {"novel": novel, "base": ~novel, "all": novel | ~novel}
    return {group: int((shown & side).sum()) for group, side in sides.items()}


def without_sides(dataset: CocoDataset) -> CocoDataset:
    """Let a data set's classes all be of one side, and return it."""
    dataset.vocabulary = replace(dataset.vocabulary, novel=())
    return dataset
