"""Label folders of pictures with a model: COCO, YOLO, VOC, Label Studio or FiftyOne out.

ovdet label photos/ --classes dog "red car" --out labels
ovdet label "photos/**/*.jpg" --classes-file names.txt --format coco yolo --workers 4
ovdet label --list pictures.txt --classes dog --model owlv2-base --threshold 0.2
ovdet label /data/photos --classes dog --ray auto --workers 16

Killed at any point, the same command goes on where it was. What it found is kept in OUT/parts, so
another --format is written later without labelling again. OUT/bad.txt lists files that cannot be
read, OUT/summary.html shows what was found.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ovdet.labelling import Plan, Report, Task

SUMMARY = "label folders of pictures into a data set, resumable"
WHEN_STOPPED = "stopped; the same command goes on where it was"
FORMATS = ("coco", "yolo", "voc", "label-studio", "fiftyone")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("images", nargs="*", metavar="FOLDER|GLOB|IMAGE", help="pictures; ** for any depth")
    add("--list", type=Path, metavar="FILE", help="more pictures, one path a line")
    add("--classes", nargs="+", metavar="NAME", help='names, as: cat "red car"; or @lvis-v1')
    add("--classes-file", type=Path, metavar="FILE", help="UTF-8 text, one name a line")
    add("--out", type=Path, default=Path("labels"), metavar="DIR", help="where to (labels)")
    add("--format", nargs="+", choices=FORMATS, default=["coco"], help="one or more (coco)")
    add("--model", metavar="NAME|CONFIG|FOLDER", help="as for infer (ovdet-tiny)")
    add("--checkpoint", metavar="FILE", help="weights for a config file")
    add("--offline", action="store_true", help="fetch no model")
    add("--device", default="auto", help="auto gives workers the GPUs in turn (auto)")
    add("--threshold", type=fraction, metavar="SCORE", help="least score (the model's)")
    add("--top-k", type=positive, default=100, metavar="N", help="most objects a picture (100)")
    add("--workers", type=positive, default=1, metavar="N", help="processes with a model each (1)")
    batch = "pictures that pass the model together (1); more suit a GPU"
    add("--batch-size", type=positive, default=1, metavar="N", help=batch)
    ray = "run the workers on a cluster of Ray's: auto, ray://HOST:10001; local starts one here"
    add("--ray", metavar="ADDRESS", help=ray)
    url = "what addresses of pictures begin with (its local files, the folder above as root)"
    add("--url", metavar="PREFIX", help=f"for Label Studio, {url}")
    add("--restart", action="store_true", help="forget what OUT holds and begin anew")


def run(options: argparse.Namespace) -> int:
    """Label, then write files; return 1 where pictures were bad."""
    from ovdet.labelling import Loader, begin, export, label, locked
    from ovdet.labelling.formats import writers

    task = task_of(options)
    with locked(options.out):
        plan = begin(options.out, task, threads=_threads(options), restart=options.restart)
        _announce(plan, options)
        make = Loader(task.model, options.checkpoint, options.device, options.offline)
        parts = label(plan, make, workers=options.workers, ray=options.ray)
        return _report(export(parts, writers(options.format, options.url)), options.out)


def task_of(options: argparse.Namespace) -> "Task":
    """Return what is asked for.

    Raises:
        InputError: If there are no pictures, or the classes are not usable.
    """
    from ovdet.apis.files import read_classes
    from ovdet.apis.zoo import DEFAULT
    from ovdet.labelling import Question, Task

    vocabulary = read_classes(options.classes, options.classes_file)
    question = Question(vocabulary, options.threshold, options.top_k)
    checkpoint = None if options.checkpoint is None else Path(options.checkpoint)
    model = options.model or DEFAULT
    return Task.of(
        _files(options), question, model, checkpoint=checkpoint, batch=options.batch_size
    )


def _files(options: argparse.Namespace) -> list[Path]:
    import glob

    from ovdet.apis.files import find_images
    from ovdet.structures import InputError

    for source in options.images:
        if not Path(source).exists() and not glob.has_magic(source):
            raise InputError(f"{source}: no such file or folder")
    files = find_images(options.images)
    if options.list is not None:
        listed = options.list.read_bytes().decode("utf-8", "surrogateescape").splitlines()
        files += [Path(line) for line in listed if line.strip()]
    if not files:
        raise InputError("name a folder of pictures, or --list FILE")
    made = options.out.absolute()
    apart = [file for file in files if not file.absolute().is_relative_to(made)]
    if not apart:
        raise InputError(f"{options.out}: all pictures lie in it, name another folder for --out")
    return apart


def _threads(options: argparse.Namespace) -> int:
    import torch

    threads: int = torch.get_num_threads() // options.workers
    return max(1, threads)


def _announce(plan: "Plan", options: argparse.Namespace) -> None:
    task = plan.task
    where = "here" if options.ray is None else f"on Ray ({options.ray})"
    what = f"{len(task.pictures):,} pictures, {len(task.question.vocabulary):,} classes"
    who = f"{task.model}, workers: {options.workers} {where}"
    print(f"{what}, {who} -> {options.out}", flush=True)


def _report(report: "Report", out: Path) -> int:
    bad = f", {report.bad:,} bad: {out / 'bad.txt'}" if report.bad else ""
    print(f"{report.done:,} pictures labelled, {report.objects:,} objects{bad}")
    for name, path in report.files.items():
        print(f"{name} -> {path}")
    return 1 if report.bad else 0


def fraction(text: str) -> float:
    """Return a number in [0, 1]."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must lie in [0, 1], got {text}")
    return value


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return value
