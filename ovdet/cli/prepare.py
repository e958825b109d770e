"""Run a config's labeler over its training pictures and store what it prepared.

ovdet prepare configs/methods/ovdetr/ovdetr_base_r50_coco-ov.py iter_336750.pth out.npz

The file is for ``LoadProposals`` and ``StoredCrops``.
"""

import argparse
from pathlib import Path

SUMMARY = "run a config's labeler over its training pictures"
WHEN_STOPPED = "stopped; nothing was written"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", help="a file of configs/methods with an entry 'labeler'")
    parser.add_argument("checkpoint", help="the detector's weights: .pth or .safetensors")
    parser.add_argument("out", help="the file to write, .npz")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change entries: labeler.count=100",
    )


def run(options: argparse.Namespace) -> int:
    """Let the labeler look at every training picture."""
    from ovdet.apis.inputs import pick_device
    from ovdet.engine import load_config, parse_options
    from ovdet.engine.proof import label

    device = pick_device(options.device)
    config = load_config(options.config, parse_options(options.cfg_options))
    label(config, options.checkpoint, Path(options.out), device)
    print(f"written to {options.out}")
    return 0
