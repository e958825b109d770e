#!/usr/bin/env python3
"""Train what a config describes.

python tools/train.py configs/methods/clip/clip_tiny_stickers.py
"""

import argparse
import os
import sys
import warnings
from pathlib import Path
from typing import Any


def main(words: list[str] | None = None) -> int:
    """Train; return the exit status."""
    options = parse(words)
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    sys.path.insert(0, str(Path(__file__).parents[1]))  # a checkout that was not installed
    # Imported after parsing: torch takes a second, and --help shall not.
    from ovdet.engine import TrainingError, build_runner, load_config, parse_options

    try:
        config = load_config(options.config, parse_options(options.cfg_options))
        if options.skip_bad:
            skip_bad(config)
        work_dir = options.work_dir or config.get("work_dir") or default_work_dir(options.config)
        runner = build_runner(
            config, work_dir, resume=options.resume, amp=options.amp, seed=options.seed
        )
        runner.train()
    except TrainingError as error:
        return fail(error, 1)
    except (ValueError, OSError) as error:
        return fail(error, 2)
    except KeyboardInterrupt:
        return fail("stopped; --resume continues from the last checkpoint", 130)
    return 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="Train what a config describes.")
    parser.add_argument("config", help="a file of configs/methods")
    parser.add_argument("--work-dir", help="log and checkpoints; work_dirs/<config> by default")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    parser.add_argument("--amp", action="store_true", help="mixed precision, on a GPU")
    parser.add_argument("--skip-bad", action="store_true", help="leave out bad annotations")
    parser.add_argument("--seed", type=int, help="instead of the config's")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change entries: optim.lr=0.001 train.iters=500",
    )
    return parser.parse_args(words)


def skip_bad(config: Any) -> None:
    """Let all data sets of a config leave out bad entries."""
    for name in ("train", "val"):
        if config.get(name) is not None:
            config.merge_from_dict({f"{name}.dataset.skip_bad": True})


def default_work_dir(config: str) -> Path:
    """Return the folder of a config's runs."""
    return Path("work_dirs") / Path(config).stem


def fail(error: object, status: int) -> int:
    """Say in one line what is wrong and return the exit status."""
    said = " ".join(str(error).split())
    print(f"train.py: {said}", file=sys.stderr)
    return status


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore:pkg_resources is deprecated")
    sys.exit(main())
