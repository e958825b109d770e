"""Thresholds and a temperature for class names, from a few labelled pictures.

ovdet calibrate annotations.json images/ --out vocabulary.json
ovdet calibrate annotations.json images/ --classes cat "red car" --out vocabulary.json
ovdet calibrate --suggest --classes cat dog --out vocabulary.json  # no labels: a suggestion
ovdet infer photo.jpg --classes-file vocabulary.json

The annotations are COCO's. Whoever detects with the vocabulary file and names no threshold gets the
file's, one a class; scores are then the share of such detections that were right.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ovdet.apis import Model
    from ovdet.structures import Vocabulary

SUMMARY = "fit thresholds and a temperature on a few labelled pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("annotations", nargs="?", type=Path, help="a COCO file")
    add("images", nargs="?", type=Path, help="the folder of its pictures")
    add("--classes", nargs="+", metavar="NAME", help="default: the categories of the file")
    add("--classes-file", type=Path, metavar="FILE", help="names, one a line, or a vocabulary")
    add("--prompts", type=Path, metavar="FILE", help="a prompt file, YAML")
    add("--suggest", action="store_true", help="without labels: what the names alone suggest")
    add("--model", metavar="NAME|CONFIG|FOLDER", help="as for ovdet infer (ovdet-tiny)")
    add("--checkpoint", metavar="FILE", help="weights for a config file")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (auto)")
    add("--out", type=Path, required=True, metavar="FILE", help="the vocabulary file to write")


def run(options: argparse.Namespace) -> int:
    """Calibrate or suggest, write the vocabulary and print what is in it."""
    from ovdet.apis import load
    from ovdet.structures import InputError

    labelled = options.annotations is not None and options.images is not None
    if labelled == options.suggest:
        raise InputError("give a COCO file and its folder of pictures, or --suggest without them")
    classes = _classes(options)
    model = load(options.model, checkpoint=options.checkpoint, device=options.device)
    way = _suggest if options.suggest else _calibrate
    found = way(model, classes, options)
    found.save(options.out)
    print(f"{options.out}  {len(found)} thresholds ({found.basis})")
    return 0


def _classes(options: argparse.Namespace) -> Any:
    """Return the names or prompts that were given; None where the file's categories are meant."""
    from ovdet.apis.files import read_classes
    from ovdet.structures import InputError
    from ovdet.structures.prompts import Prompts

    given = [options.classes, options.classes_file, options.prompts]
    if sum(one is not None for one in given) > 1:
        raise InputError("give one of --classes, --classes-file and --prompts")
    if options.prompts is not None:
        if options.suggest:
            raise InputError("--suggest compares names: give --classes instead of --prompts")
        return Prompts.load(options.prompts)
    if options.suggest or options.classes or options.classes_file:
        return read_classes(options.classes, options.classes_file)
    return None


def _suggest(model: "Model", classes: Any, _: argparse.Namespace) -> "Vocabulary":
    from ovdet.apis.calibrating import suggest

    found = suggest(model, classes)
    for name, least in zip(found.names, found.thresholds, strict=True):
        print(f"{name}  {least:.2f}")
    print("a suggestion by the names alone: no picture was looked at")
    return found


def _calibrate(model: "Model", classes: Any, options: argparse.Namespace) -> "Vocabulary":
    from tqdm import tqdm

    from ovdet.apis.calibrating import calibrate, judge

    def bar(steps: Any) -> Any:
        return tqdm(steps, delay=2, disable=None)

    where = (options.annotations, options.images)
    labels, judged = judge(model, *where, classes, progress=bar)
    found = calibrate(labels, judged)
    counts = judged.positives.tolist()
    for name, least, count in zip(found.names, found.thresholds, counts, strict=True):
        note = "" if count else "  no example: that of all classes"
        print(f"{name}  {least:.2f}  {count} objects{note}")
    least = model.settings.threshold
    print(f"temperature {found.temperature:.2f}")
    print(
        f"F1 on these pictures: {judged.f1(labels, least):.3f} at {least:g} for all, "
        f"{judged.f1(found, least):.3f} calibrated"
    )
    return found
