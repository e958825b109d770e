"""Find things by name in pictures: annotated copies, COCO JSON and a table on the screen.

python tools/infer.py photo.jpg --classes cat "red car"
python tools/infer.py photo.jpg --classes sky tree road --task semantic --model CONFIG ...
python tools/infer.py photo.jpg --text "[a dog] left of [the red car]" --model CONFIG ...
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from ovdet.apis import Model, Tiled
    from ovdet.apis.images import Pixels

DETECT, GROUND = "detect", "ground"
MMDET = "mmdet:"
TASKS = (DETECT, "instance", "semantic", "panoptic", GROUND)
FORMAT = argparse.RawDescriptionHelpFormatter


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with status 2."""
        self.exit(2, f"{self.prog}: {message}\n")


@dataclass
class Report:
    """What a run leaves behind.

    Attributes:
        done: Pictures that were annotated.
        bad: One line for each that could not be read.
    """

    done: int = 0
    bad: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 when some pictures were bad, 2 when nothing could be done."""
    options = parse(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may lack a name's letters
            stream.reconfigure(errors="backslashreplace")
    try:
        return run(options)
    except (ValueError, OSError, ImportError) as error:
        print(f"infer.py: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("infer.py: stopped", file=sys.stderr)
        return 130


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; a wrong one ends the program with one line and status 2."""
    parser = Parser(prog="infer.py", description=__doc__, formatter_class=FORMAT)
    add = parser.add_argument
    add("images", nargs="+", metavar="IMAGE|FOLDER|GLOB", help="pictures to look at")
    add("--classes", nargs="+", metavar="NAME", help='names, as: cat "red car"; or @lvis-v1')
    add("--classes-file", type=Path, metavar="FILE", help="UTF-8 text, one name a line")
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
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    """Do the work; see ``main``."""
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
        print(f"infer.py: {line}", file=sys.stderr)
    if not report.done:
        return 2
    return 1 if report.bad else 0


def question(options: argparse.Namespace) -> "Callable[[Any, str, Pixels], Any]":
    """Return what is asked of a model about each picture.

    Raises:
        InputError: If neither or both of names and a sentence are given, or the task wants the
            other.
    """
    from ovdet.apis.files import read_classes
    from ovdet.apis.grounding import read_sentence
    from ovdet.structures import InputError
    from ovdet.text import read_table

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
    vocabulary = None  # of a model that knows its own classes alone
    asked = options.classes or options.classes_file or options.table
    if asked or not str(options.model).startswith(MMDET):
        vocabulary = read_classes(options.classes, options.classes_file)
    if options.table is not None:
        vocabulary = read_table(options.table, vocabulary)
    return lambda model, task, pixels: (
        model.detect(pixels, vocabulary, **given)
        if task == DETECT
        else model.segment(pixels, vocabulary, task, **given)
    )


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
        _say(writer.add(path, ask(model, task, pixels)))
        report.done += 1
    if report.done:
        _say(f"{report.done} of {len(files)} pictures -> {writer.finish()}")
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
            report.bad.append(_one_line(error))
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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


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


if __name__ == "__main__":
    sys.exit(main())
