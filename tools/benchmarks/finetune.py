#!/usr/bin/env python3
"""Fine-tuning on ten pictures of two objects nobody has seen: what is gained, what is forgotten.

python tools/benchmarks/finetune.py  # the default way, three seeds of pictures and training
python tools/benchmarks/finetune.py --how lora full --seeds 1

To pass, AP50 of the new classes must rise by 30 points, and that of held-out novel classes may
fall by 2.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that was not installed

GAIN, LOSS = 30.0, 2.0


def main(words: list[str] | None = None) -> int:
    """Run and print a row each; return 1 where one does not pass."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--how", nargs="+", default=["head"], choices=["head", "lora", "full"])
    parser.add_argument("--seeds", type=int, default=3, help="seeds from 0 on (3)")
    parser.add_argument("--val", type=int, default=100, help="pictures to measure on (100)")
    options = parser.parse_args(words)
    passed = True
    print("| how | seed | new AP50 | change | held-out novel AP50 | change | seconds | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for how in options.how:
        for seed in range(options.seeds):
            passed &= run(how, seed, options.val)
    return 0 if passed else 1


def run(how: str, seed: int, val: int) -> bool:
    """Render, learn, print a row; tell whether it passes."""
    from ovdet.data.stickers import write_track
    from ovdet.finetuning import Plan, finetune

    with TemporaryDirectory() as folder:
        made = Path(folder) / "new"
        write_track("stickers-new", made, seed=seed, val=val)
        plan = Plan(
            made / "annotations" / "train.json",
            Path(folder) / "model",
            images=made / "train",
            val=made / "annotations" / "val.json",
            val_images=made / "val",
            how=how,
            seed=seed,
        )
        begun = time.perf_counter()
        report = finetune(plan, lambda line: print(line, file=sys.stderr, flush=True))
        seconds = time.perf_counter() - begun
    novel = next(held for held in report.others if held.name.endswith("novel"))
    good = report.new.change["AP50"] >= GAIN and novel.change["AP50"] >= -LOSS
    cells = [
        f"{held.before['AP50']:.1f} -> {held.after['AP50']:.1f} | {held.change['AP50']:+.1f}"
        for held in (report.new, novel)
    ]
    verdict = "pass" if good else "FAIL"
    print(f"| {how} | {seed} | {' | '.join(cells)} | {seconds:.0f} | {verdict} |", flush=True)
    return good


if __name__ == "__main__":
    sys.exit(main())
