"""Kill ``ovdet label`` at random moments: the file must be that of a run left alone.

python tools/benchmarks/label_kill.py [--images 2000] [--kills 20] [--workers 2] [--no-ray]

Renders sticker scenes, labels them once without a stop, then again with SIGKILL at random moments,
each time resumed; then the same on a local Ray of as many actors. Prints pictures a second of both
and how much was done twice.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that was not installed

ROOT = Path(__file__).parents[2]
SIDE = 128  # px
EARLY = 0.2  # of the kills come while the command starts and loads its model


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all; return 0 where every file is the same, 1 where one is not."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        render(place / "photos", options.images, options.seed)
        job = Job(place / "photos", options.workers, options.images)
        seconds = job.finish(place / "whole", [])
        print(f"left alone: {options.images} pictures in {seconds:.0f} s")
        same = [job.compare(place, "killed", [], options)]
        if options.ray:
            same.append(job.compare(place, "on Ray, killed", ["--ray", "local"], options))
    return 0 if all(same) else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="label_kill.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--images", type=int, default=2000, metavar="N")
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-ray", dest="ray", action="store_false", help="only here")
    return parser.parse_args(arguments)


def asked() -> list[str]:
    """Return the names of what is in the scenes."""
    from ovdet.data.stickers import STICKERS

    return sorted(STICKERS)[::40]


def render(folder: Path, count: int, seed: int) -> None:
    """Write scenes, and one file that is no picture."""
    import numpy as np
    from PIL import Image

    from ovdet.data.stickers import SceneSpec, render_scene

    folder.mkdir()
    names = asked()
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        scene = render_scene(rng, SceneSpec(side=SIDE), names)
        Image.fromarray(scene.image).save(folder / f"{index:05d}.png")
    (folder / "broken.jpg").write_bytes(b"no picture")


@dataclass
class Job:
    """What is run again and again.

    Attributes:
        photos: The folder of pictures.
        workers: Processes or actors.
        count: Pictures in the folder, without the broken one.
    """

    photos: Path
    workers: int
    count: int

    def start(self, out: Path, how: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Start the command, its output in a file."""
        words = [sys.executable, "-m", "ovdet", "label", str(self.photos), "--classes", *asked()]
        words += ["--out", str(out), "--workers", str(self.workers), "--threshold", "0.2", *how]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        log = out.with_name(f"{out.name}.log").open("ab")
        with log:
            return subprocess.Popen(
                words, env=os.environ | {"PYTHONPATH": path}, stdout=log, stderr=log
            )

    def finish(self, out: Path, how: Sequence[str]) -> float:
        """Run to the end; return the seconds it took.

        Raises:
            RuntimeError: If it fails.
        """
        began = time.monotonic()
        status = self.start(out, how).wait()
        if status != 1:  # 1: one file is bad
            log = out.with_name(f"{out.name}.log").read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"it ended with status {status}:\n{log[-2000:]}")
        return time.monotonic() - began

    def compare(
        self, place: Path, name: str, how: Sequence[str], options: argparse.Namespace
    ) -> bool:
        """Kill and resume; tell whether the files are those of the run that was left alone."""
        out, moments = place / name.replace(" ", "_"), random.Random(options.seed)
        share = self.count // (options.kills + 1)
        began, told = time.monotonic(), []
        for _ in range(options.kills):
            process, before = self.start(out, how), lines(out)
            if moments.random() < EARLY:
                time.sleep(moments.uniform(0, 3))
            else:
                wanted = before + moments.randint(0, max(1, share))
                while lines(out) <= wanted and process.poll() is None:
                    time.sleep(0.01)
                time.sleep(moments.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
            if process.wait() != -signal.SIGKILL:
                print(f"{name}: it ended before it could be killed")
                return False
            told.append(lines(out))
        self.finish(out, how)
        seconds, twice = time.monotonic() - began, lines(out) - self.count - 1
        files = ("coco.json", "bad.txt", "summary.html")
        same = all((out / f).read_bytes() == (place / "whole" / f).read_bytes() for f in files)
        print(f"{name}: {options.kills} kills, {seconds:.0f} s, at {told} lines, {twice} twice")
        print(f"{name}: {', '.join(files)} are {'the same' if same else 'NOT the same'}")
        return same


def lines(out: Path) -> int:
    """Return how many whole lines the parts hold."""
    return sum(path.read_bytes().count(b"\n") for path in out.glob("parts/*.jsonl"))


if __name__ == "__main__":
    sys.exit(main())
