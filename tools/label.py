#!/usr/bin/env python3
"""Run a config's labeler over its training pictures and store what it prepared.

python tools/label.py configs/methods/ovdetr/ovdetr_base_r50_coco-ov.py iter_336750.pth out.npz

The file is for ``LoadProposals`` and ``StoredCrops``.
"""

import argparse
import sys
import warnings
from pathlib import Path


def main(words: list[str] | None = None) -> int:
    """Label; return the exit status."""
    options = parse(words)
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    sys.path.insert(0, str(Path(__file__).parents[1]))  # a checkout that was not installed
    # Imported after parsing: torch takes a second, and --help shall not.
    from ovdet.apis.inputs import pick_device
    from ovdet.engine import load_config, parse_options
    from ovdet.engine.proof import label

    try:
        device = pick_device(options.device)
        config = load_config(options.config, parse_options(options.cfg_options))
        label(config, options.checkpoint, Path(options.out), device)
    except (ValueError, OSError) as error:
        print(f"label.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("label.py: stopped; nothing was written", file=sys.stderr)
        return 130
    print(f"written to {options.out}")
    return 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="Prepare training pictures with a labeler.")
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
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
