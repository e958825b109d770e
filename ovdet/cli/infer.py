"""Find things by name in pictures: annotated copies, COCO JSON and a table on the screen.

ovdet infer photo.jpg --classes cat "red car"
ovdet infer photo.jpg --prompts prompts.yml
ovdet infer photo.jpg --everything
ovdet infer photo.jpg --classes sky tree road --task semantic --model CONFIG ...
ovdet infer photo.jpg --text "[a dog] left of [the red car]" --model CONFIG ...
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovdet.cli import complain

if TYPE_CHECKING:
    from ovdet.apis import Model, Tiled
    from ovdet.apis.images import Pixels
    from ovdet.structures import Vocabulary
    from ovdet.structures.prompts import Prompts

SUMMARY = "find things by name in pictures"
DETECT, GROUND = "detect", "ground"
MMDET = "mmdet:"
_MOST_TABLES = 10  # of more pictures, each has one line
TASKS = (DETECT, "instance", "semantic", "panoptic", GROUND)


@dataclass
class Report:
    """What a run leaves behind.

    Attributes:
        done: Pictures that were annotated.
        found: Lines of all tables: objects, or classes of pixels.
        bad: One line for each that could not be read.
    """

    done: int = 0
    found: int = 0
    bad: list[str] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("images", nargs="+", metavar="IMAGE|FOLDER|GLOB", help="pictures to look at")
    add("--classes", nargs="+", metavar="NAME", help='names, as: cat "red car"; or @lvis-v1')
    add("--classes-file", type=Path, metavar="FILE", help="UTF-8 text, one name a line")
    add("--prompts", type=Path, metavar="FILE", help="YAML: synonyms, negatives, pictures, ...")
    add("--everything", action="store_true", help="name whatever is there, by 1,588 names")
    add("--table", type=Path, metavar="FILE", help="text embeddings of these names, a .npy file")
    add("--text", metavar="SENTENCE", help='ground its phrases: "[a dog] by [a car]"')
    add("--task", choices=TASKS, help="default: detect, or what a segmentor is made for")
    add(
        "--model",
        metavar="NAME|CONFIG|FOLDER|mmdet:CONFIG|A+B",
        help="zoo name, config file, a folder in transformers' format, a config of mmdet's, or "
        "two, as DETECTOR+SAM or MASK2FORMER+CLIP (default: ovdet-tiny)",
    )
    add("--checkpoint", metavar="FILE", help="weights for a config file")
    add("--offline", action="store_true", help="fetch no model; tell which file is missing")
    add("--threshold", type=fraction, metavar="SCORE", help="least score (default: the model's)")
    add("--top-k", type=count, metavar="N", help="most objects a picture (100)")
    add("--tile", type=count, metavar="SIDE", help="look at tiles of so many px, and the whole")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (auto)")
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="annotated pictures (out)")
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="COCO JSON (OUT/detections.json, panoptic.json); "
        "of label maps the names (OUT/labels.json); their PNG files go to the folder FILE names "
        "without its ending",
    )


def run(options: argparse.Namespace) -> int:
    """Look; return 0, 1 when some pictures were bad, 2 when nothing could be done."""
    from ovdet.apis import Tiled, load, read_image
    from ovdet.apis.files import find_images

    files = find_images(options.images)
    ask = question(options)
    if len(files) == 1:
        with quiet_decoders():
            read_image(files[0])  # one bad picture is told before a model is loaded
    whole = load(
        options.model,
        checkpoint=options.checkpoint,
        device=options.device,
        offline=options.offline,
    )
    model = whole if options.tile is None else Tiled(whole, options.tile)
    report = answer_all(model, files, ask, options)
    for line in report.bad:
        complain(options.program, line)
    if not report.done:
        return 2
    return 1 if report.bad else 0


def question(options: argparse.Namespace) -> "Callable[[Any, str, Pixels], Any]":
    """Return what is asked of a model about each picture.

    Raises:
        InputError: If neither or both of names and a sentence are given, or the task wants the
            other.
    """
    from ovdet.apis.grounding import read_sentence
    from ovdet.structures import InputError

    check_alone(options)
    if options.text is not None or options.task == GROUND:
        if options.text is None or options.classes or options.classes_file or options.table:
            raise InputError('the task ground wants --text "[a dog] by [a car]" instead of classes')
        if options.task not in {None, GROUND}:
            raise InputError(f"--text is for the task ground, {options.task} wants --classes")
        if options.tile is not None:
            raise InputError("--tile is for classes: a sentence is about the picture as a whole")
    limits = {"threshold": options.threshold, "top_k": options.top_k}
    given = {name: value for name, value in limits.items() if value is not None}
    if options.text is not None:
        read_sentence(options.text)
        return lambda model, _, pixels: model.ground(pixels, options.text, **given)
    if options.everything:
        return lambda model, _, pixels: model.discover(pixels, **given)
    names = named(options)
    return lambda model, task, pixels: (
        model.detect(pixels, names, **given)
        if task == DETECT
        else model.segment(pixels, names, task, **given)
    )


def named(options: argparse.Namespace) -> "Vocabulary | Prompts | None":
    """Return the names or prompts that are given; None for all that a closed model knows."""
    from ovdet.apis.files import read_classes
    from ovdet.structures.prompts import Prompts
    from ovdet.text import read_table

    if options.prompts is not None:
        return Prompts.load(options.prompts)
    vocabulary = None  # of a model that knows its own classes alone
    asked = options.classes or options.classes_file or options.table
    if asked or not str(options.model).startswith(MMDET):
        vocabulary = read_classes(options.classes, options.classes_file)
        if options.table is not None:
            vocabulary = read_table(options.table, vocabulary)
    return vocabulary


def check_alone(options: argparse.Namespace) -> None:
    """Refuse two ways of saying what to look for.

    Raises:
        InputError: If prompts or everything come with each other, or with classes or a table.
    """
    from ovdet.structures import InputError

    others = any((options.classes, options.classes_file, options.table, options.text))
    ways = (options.prompts is not None) + options.everything
    if ways and ways + others > 1:
        raise InputError("--prompts and --everything come alone, without classes or a sentence")
    if options.everything and options.task not in {None, DETECT}:
        raise InputError(f"--everything is for the task detect, {options.task} wants --classes")


def answer_all(
    model: "Model | Tiled",
    files: Sequence[Path],
    ask: "Callable[[Any, str, Pixels], Any]",
    options: argparse.Namespace,
) -> Report:
    """Annotate every picture that can be read, then write the JSON."""
    from ovdet.apis.writing import writer_for

    report = Report()
    task = GROUND if options.text is not None else options.task or model.task
    writer = writer_for(task, options.out, files, options.json)
    for path, pixels in _pictures(files, report):
        told = writer.add(path, ask(model, task, pixels))
        line, _, table = told.partition("\n")
        rows = table.count("\n")  # below the table's head; none where nothing was found
        _say(told if len(files) <= _MOST_TABLES else f"{line}  {rows} found")
        report.found += rows
        report.done += 1
    if report.done:
        _say(f"{report.done} of {len(files)} pictures -> {writer.finish()}")
        if not report.found and options.threshold is None:
            _say("a lower --threshold shows what the model is less sure of")
    return report


def _pictures(files: Sequence[Path], report: Report) -> "Iterator[tuple[Path, Pixels]]":
    from tqdm import tqdm

    from ovdet.apis import read_image
    from ovdet.structures import InputError

    hidden = not sys.stderr.isatty()
    for path in tqdm(files, unit="picture", delay=2, disable=hidden):
        try:
            with quiet_decoders():
                pixels = read_image(path)
        except InputError as error:
            report.bad.append(str(error))
            continue
        yield path, pixels


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep libtiff and its like, which write to the error stream by themselves, from doing so."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _say(text: str) -> None:
    from tqdm import tqdm

    tqdm.write(text, file=sys.stdout)


def fraction(text: str) -> float:
    """Return a number in [0, 1]."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must lie in [0, 1], got {text}")
    return value


def count(text: str) -> int:
    """Return a whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return value
