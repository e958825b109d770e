"""Measure a checkpoint on its config's data: novel, base and all classes.

ovdet test configs/methods/vild/vild_tiny_stickers.py work_dirs/.../iter_1200.pth
ovdet test configs/methods/maskclip/maskclip_tiny_stickers.py  # nothing was trained
"""

import argparse
from pathlib import Path

SUMMARY = "measure a checkpoint on its config's data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", help="a file of configs/methods")
    parser.add_argument(
        "checkpoint",
        nargs="?",
        help="weights: .pth or .safetensors; without it what the config itself loads",
    )
    parser.add_argument("--vocabulary", help="limits or orders the classes: a file, or @lvis-v1")
    parser.add_argument("--table", help="text embeddings of the classes, a .npy file")
    parser.add_argument("--table-names", help="what its rows are for: a file, or @lvis-v1")
    parser.add_argument("--work-dir", help="log and metrics.json; work_dirs/<config>_test")
    parser.add_argument("--skip-bad", action="store_true", help="leave out bad annotations")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change entries: val.batch_size=4",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, print the figures and write them to ``metrics.json``."""
    from ovdet.engine import (
        build_runner,
        encode_metrics,
        fill_weights,
        format_metrics,
        load_checkpoint,
        load_config,
        parse_options,
        use_table,
    )
    from ovdet.evaluation.protocols import headlines
    from ovdet.structures import atomic_write

    entries = parse_options(options.cfg_options)
    if options.vocabulary:
        entries["val.dataset.vocabulary"] = options.vocabulary
    if options.skip_bad:
        entries["val.dataset.skip_bad"] = True
    config = load_config(options.config, entries)
    work_dir = Path(options.work_dir or Path("work_dirs") / f"{Path(options.config).stem}_test")
    given = options.checkpoint
    weights = load_checkpoint(given)["model"] if given else None  # first: it fails fastest
    runner = build_runner(config, work_dir, train=False)
    if weights is not None:
        fill_weights(runner.model, weights, given)
    if options.table:
        use_table(runner.val_dataloader.dataset, options.table, options.table_names)
    metrics = runner.val()
    atomic_write(work_dir / "metrics.json", encode_metrics(metrics))
    for line in headlines(metrics):
        print(line)
    measured = options.checkpoint or options.config
    print(f"{measured} on {config.val.dataset.get('ann_file', 'the config data')}, in %")
    print(format_metrics(metrics))
    print(f"written to {work_dir / 'metrics.json'}")
    return 0
