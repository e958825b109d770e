#!/usr/bin/env python3
"""Bring MobileNetV2's folded weights into the names of ovdet-tiny's parts.

python tools/zoo/ovdet_tiny_start.py data/photos/weights/mobilenet_v2_imagenet.npz data/ovdet-tiny
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(words: list[str] | None = None) -> int:
    """Write trunk.safetensors and embedder.safetensors; return the exit status."""
    parser = argparse.ArgumentParser(description="Rename MobileNetV2's weights for ovdet-tiny.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dim", type=int, default=192)
    options = parser.parse_args(words)
    sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that was not installed
    import torch
    from safetensors.torch import save_file

    from ovdet.heads import MobileNetEmbedder
    from ovdet.vision import MobileNetTrunk

    torch.manual_seed(0)  # of the projection, which nobody has trained yet
    stored = dict(np.load(options.weights))
    trunk, embedder = MobileNetTrunk(), MobileNetEmbedder(options.dim)
    fill(trunk.stem[0], stored, "features.0.0")
    blocks: list[Any] = [block for stage in trunk.stages for block in stage.children()]
    for index, block in enumerate(blocks):
        fill_block(block, stored, index + 1)
    for index, block in enumerate(embedder.blocks):
        fill_block(block, stored, index + 7)
    fill(embedder.last[0], stored, "features.18.0")
    for name, module in (("trunk", trunk), ("embedder", embedder)):
        save_file(module.state_dict(), options.out / f"{name}.safetensors")
    return 0


def fill_block(block: Any, stored: dict[str, Any], number: int) -> None:
    """Fill one inverted residual; the first has no expansion."""
    names = ["conv.0.0", "conv.1.0", "conv.2"]
    parts = [block.expand, block.filter, block.project]
    if number == 1:
        names, parts = ["conv.0.0", "conv.1"], parts[1:]
    for name, part in zip(names, parts, strict=True):
        conv = part if hasattr(part, "weight") else part[0]
        fill(conv, stored, f"features.{number}.{name}")


def fill(conv: Any, stored: dict[str, Any], name: str) -> None:
    """Copy one convolution's weight and bias."""
    import torch

    for key in ("weight", "bias"):
        getattr(conv, key).data.copy_(torch.from_numpy(stored[f"{name}.{key}"].astype(np.float32)))


if __name__ == "__main__":
    sys.exit(main())
