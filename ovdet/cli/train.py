"""Train what a config describes.

ovdet train configs/methods/clip/clip_tiny_stickers.py
torchrun --nproc_per_node 8 -m ovdet train configs/methods/vild/vild_r50-fpn_coco-ov.py
"""

import argparse
from pathlib import Path
from typing import Any

from ovdet.cli import complain

SUMMARY = "train what a config describes"
WHEN_STOPPED = "stopped; --resume continues from the last checkpoint"
FAILED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
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


def run(options: argparse.Namespace) -> int:
    """Train; return 1 where a loss is no number any more."""
    from ovdet.engine import TrainingError, build_runner, load_config, parse_options

    config = load_config(options.config, parse_options(options.cfg_options))
    if options.skip_bad:
        skip_bad(config)
    work_dir = options.work_dir or config.get("work_dir") or default_work_dir(options.config)
    runner = build_runner(
        config, work_dir, resume=options.resume, amp=options.amp, seed=options.seed
    )
    try:
        runner.train()
    except TrainingError as error:
        return complain(options.program, error, FAILED)
    return 0


def skip_bad(config: Any) -> None:
    """Let all data sets of a config leave out bad entries."""
    for name in ("train", "val"):
        if config.get(name) is not None:
            config.merge_from_dict({f"{name}.dataset.skip_bad": True})


def default_work_dir(config: str) -> Path:
    """Return the folder of a config's runs."""
    return Path("work_dirs") / Path(config).stem
