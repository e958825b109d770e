#!/usr/bin/env python3
"""Prove a method: train it and its ablations with several seeds, print one table.

python tools/prove.py vild
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

_PREPARE = "prepare"  # a step of its own, so that two variants do not prepare the same file


def main(words: list[str] | None = None) -> int:
    """Run the proof; return the exit status."""
    options = parse(words)
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    sys.path.insert(0, str(Path(__file__).parents[1]))  # a checkout that was not installed
    # Imported after parsing: torch takes a second, and --help shall not.
    from ovdet.engine.proof import Proof

    work_dir = Path(options.work_dir or Path("work_dirs") / "prove" / options.method)
    try:
        proof = Proof.load(Path("configs/methods") / options.method)
        rows = {variant.name: variant for variant in proof.variants}
        if options.only:
            _run_one(proof, options, work_dir)
            return 0
        # The baseline first: the others may read what is prepared with its detectors.
        _run_all(options, [proof.variants[0].name], work_dir)
        if any(variant.prepared for variant in proof.variants):
            _run_all(options, [_PREPARE], work_dir)
        _run_all(options, [variant.name for variant in proof.variants[1:]], work_dir)
        results = {
            name: [proof.run(variant, seed, work_dir) for seed in options.seeds]
            for name, variant in rows.items()
        }
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"prove.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(proof.table(results))
    print(f"\nseeds {options.seeds}, commit {_commit()}, CPU, one thread a run")
    return 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="Train a method and its ablations, print a table.")
    parser.add_argument("method", help="a folder of configs/methods that holds a proof.py")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    parser.add_argument("--work-dir", help="work_dirs/prove/<method>; finished runs are kept there")
    parser.add_argument("--only", help=argparse.SUPPRESS)  # how this script calls itself
    return parser.parse_args(words)


def _run_one(proof: "Proof", options: argparse.Namespace, work_dir: Path) -> None:
    seed = options.seeds[0]
    if options.only == _PREPARE:
        proof.prepare(seed, work_dir)
    else:
        variant = next(v for v in proof.variants if v.name == options.only)
        proof.run(variant, seed, work_dir)


def _run_all(options: argparse.Namespace, names: list[str], work_dir: Path) -> None:
    """Train every variant with every seed, ``--jobs`` processes at a time."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def train(job: tuple[int, str]) -> None:
        seed, name = job
        command = [sys.executable, __file__, options.method, "--only", name, "--seeds", str(seed)]
        print(f"{name}, seed {seed}: started", flush=True)
        log = work_dir / f"{name} seed {seed}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as file:
            subprocess.run(
                [*command, "--work-dir", str(work_dir)],
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
