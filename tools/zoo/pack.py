#!/usr/bin/env python3
"""Pack a training checkpoint for the zoo: weights alone, float16, safetensors.

python tools/zoo/pack.py work_dirs/clip_tiny_stickers/iter_6000.pth model_zoo/tiny-clip.safetensors
python tools/zoo/pack.py iter_1200.pth model_zoo/tiny-clip-vit.safetensors --part image.
"""

import argparse
import hashlib
import sys
from pathlib import Path


def main(words: list[str] | None = None) -> int:
    """Write the file and print its hash; return the exit status."""
    parser = argparse.ArgumentParser(description="Pack a checkpoint's weights, float16.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", default="", help="only weights whose names begin so: image.")
    options = parser.parse_args(words)
    sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that was not installed
    from safetensors.torch import save

    from ovdet.engine import load_checkpoint
    from ovdet.structures import atomic_write

    try:
        record = load_checkpoint(options.checkpoint)
        weights = {k: v for k, v in record["model"].items() if k.startswith(options.part)}
        small = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
        data = save({key: value.contiguous() for key, value in small.items()})
        atomic_write(options.out, data)
    except (ValueError, OSError) as error:
        print(f"pack.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"{options.out}  {len(data) / 1e6:.1f} MB  sha256 {hashlib.sha256(data).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
