#!/usr/bin/env python3
"""Prove a method: train it and its ablations with several seeds, print one table.

python tools/prove.py vild
python tools/prove.py vild --write  # the table also goes into the method's README
python tools/prove.py --all  # collect the tables of all READMEs into configs/methods/README.md
"""

import argparse
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ovdet.engine.proof import Proof

_METHODS = Path("configs/methods")
_TABLE = "table.md"
_HEAD = """# Proofs

Every method against its own ablations, as `python tools/prove.py <method>` printed them: mean and
standard deviation over the seeds, in %. What each row is and whether the proof passed stands in the
method's own README. This file is written by `python tools/prove.py --all`.
"""


def main(words: list[str] | None = None) -> int:
    """Run one proof or all; return the exit status."""
    options = parse(words)
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    sys.path.insert(0, str(Path(__file__).parents[1]))  # a checkout that was not installed
    # Imported after parsing: torch takes a second, and --help shall not.
    try:
        if not options.all:
            return _prove(options, options.method)
        _collect()
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"prove.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _collect() -> None:
    """Write what the READMEs keep into one file."""
    from ovdet.engine.proof import find_table
    from ovdet.structures import atomic_write

    tables = []
    for slug in sorted(path.parent.name for path in _METHODS.glob("*/proof.py")):
        text = find_table((_METHODS / slug / "README.md").read_text(encoding="utf-8"))
        missing = f"Not run yet: `python tools/prove.py {slug} --write`."
        tables.append(f"## [{slug}]({slug}/README.md)\n\n{text or missing}\n")
    atomic_write(_METHODS / "README.md", "\n".join([_HEAD, *tables]).encode())


def _folder(options: argparse.Namespace, slug: str) -> Path:
    return Path(options.work_dir or Path("work_dirs") / "prove") / slug


def _prove(options: argparse.Namespace, slug: str) -> int:
    from ovdet.engine.proof import Proof, put_table
    from ovdet.structures import atomic_write

    work_dir = _folder(options, slug)
    proof = Proof.load(_METHODS / slug)
    if options.only:
        _run_one(proof, options, work_dir)
        return 0
    for names in proof.steps():
        _run_all(options, slug, names)
    results = {
        variant.name: [proof.run(variant, seed, work_dir) for seed in options.seeds]
        for variant in proof.variants
    }
    seeds = " ".join(map(str, options.seeds))
    text = f"{proof.table(results)}\n\nSeeds {seeds}, commit {_commit()}, CPU, one thread a run."
    atomic_write(work_dir / _TABLE, f"{text}\n".encode())
    print(text)
    if options.write:
        readme = _METHODS / slug / "README.md"
        kept = put_table(readme.read_text(encoding="utf-8"), text, str(readme))
        atomic_write(readme, kept.encode())
    return 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="Train a method and its ablations, print a table.")
    parser.add_argument("method", nargs="?", help="a folder of configs/methods with a proof.py")
    parser.add_argument("--all", action="store_true", help="collect all tables in one file")
    parser.add_argument("--write", action="store_true", help="also into the method's README")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    parser.add_argument("--work-dir", help="finished runs are kept there, a folder each method")
    parser.add_argument("--only", help=argparse.SUPPRESS)  # how this script calls itself
    options = parser.parse_args(words)
    if bool(options.method) == options.all:
        parser.error("name a method, or --all")
    return options


def _run_one(proof: "Proof", options: argparse.Namespace, work_dir: Path) -> None:
    seed = options.seeds[0]
    from ovdet.engine.proof import PREPARE

    if options.only == PREPARE:
        proof.prepare_all(seed, work_dir)
    else:
        proof.run(proof.row(options.only), seed, work_dir)


def _run_all(options: argparse.Namespace, slug: str, names: list[str]) -> None:
    """Train every variant with every seed, ``--jobs`` processes at a time."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    work_dir = _folder(options, slug)

    def train(job: tuple[int, str]) -> None:
        seed, name = job
        command = [sys.executable, __file__, slug, "--only", name, "--seeds", str(seed)]
        if options.work_dir:
            command += ["--work-dir", options.work_dir]
        print(f"{name}, seed {seed}: started", flush=True)
        log = work_dir / f"{name} seed {seed}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as file:
            subprocess.run(
                command,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=True,
            )
        print(f"{name}, seed {seed}: done", flush=True)

    jobs = [(seed, name) for seed in options.seeds for name in names]
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(train, jobs))


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
