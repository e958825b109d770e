"""Follow things by name through a video: an annotated copy and one line of JSON an object.

ovdet video clip.mp4 --classes dog "red car"
ovdet video clip.mp4 --classes-file names.txt --every 3 --tile 640 --out followed
ovdet video 0 --classes person  # the first camera, until Ctrl-C
ovdet video rtsp://host/stream --classes person

OUT/clip.jsonl: frame, time (s), id, label, score, box (xyxy, px). An identity begins with the
second frame in a row and keeps its label; until then id is null.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ovdet.apis import Model, Tiled
    from ovdet.structures import Vocabulary
    from ovdet.video import Frames, Recording

SUMMARY = "follow things through a video file, a camera or a stream"
_MMDET = "mmdet:"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("source", metavar="FILE|CAMERA|URL", help="a video, a camera's number, or a stream")
    add("--classes", nargs="+", metavar="NAME", help='names, as: dog "red car"; or @lvis-v1')
    add("--classes-file", type=Path, metavar="FILE", help="UTF-8 text, one name a line")
    add("--model", metavar="NAME|CONFIG|FOLDER", help="as of ovdet infer (default: ovdet-tiny)")
    add("--checkpoint", metavar="FILE", help="weights for a config file")
    add("--offline", action="store_true", help="fetch no model; tell which file is missing")
    add("--threshold", type=_fraction, metavar="SCORE", help="least score (default: the model's)")
    add("--top-k", type=_count, default=100, metavar="N", help="most objects a frame (100)")
    add("--tile", type=_count, metavar="SIDE", help="look at tiles of so many px, and the whole")
    add("--every", type=_count, default=1, metavar="N", help="only each N-th frame (1)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (auto)")
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="where the files go (out)")


def run(options: argparse.Namespace) -> int:
    """Follow; return 0, or 2 where the source gave no frame."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # damaged frames are counted instead
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what cannot be opened is said once
    from ovdet.apis import Tiled, load
    from ovdet.apis.files import FreeNames, read_classes
    from ovdet.video import Frames, Recording

    vocabulary = None  # of a model that knows its own classes alone
    if options.classes or options.classes_file or not str(options.model).startswith(_MMDET):
        vocabulary = read_classes(options.classes, options.classes_file)
    with Frames(options.source, options.every) as frames:
        whole = load(
            options.model,
            checkpoint=options.checkpoint,
            device=options.device,
            offline=options.offline,
        )
        model = whole if options.tile is None else Tiled(whole, options.tile)
        names = FreeNames(options.out, [Path(options.source)], ".mp4")
        video = names.give(Path(f"{frames.name}.mp4"))
        lines = video.with_suffix(".jsonl")
        with Recording(video, lines, frames.rate) as recording:
            try:
                _follow(model, frames, vocabulary, recording, options)
            finally:
                _tell(frames, recording, f"{options.source} -> {video}, {lines}")
        return 0 if recording.frames else 2


def _follow(
    model: "Model | Tiled",
    frames: "Frames",
    vocabulary: "Vocabulary | None",
    recording: "Recording",
    options: argparse.Namespace,
) -> None:
    from tqdm import tqdm

    from ovdet.video import follow

    asked = {"threshold": options.threshold, "top_k": options.top_k}
    total = -(-frames.count // options.every) or None
    seen = follow(model, frames, vocabulary, **asked)
    for followed in tqdm(seen, unit="frame", total=total, disable=not sys.stderr.isatty()):
        recording.add(followed)


def _tell(frames: "Frames", recording: "Recording", files: str) -> None:
    """Say what became of the frames."""
    if frames.bad:
        print(f"video: {frames.bad} frames could not be read", file=sys.stderr)
    if frames.dropped:
        print(f"video: {frames.dropped} frames came faster than they were seen", file=sys.stderr)
    if recording.frames:
        print(f"{files}\n{recording.frames} frames\n{recording.table()}")


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must lie in (0, 1], got {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return value
