"""Teach a model new classes from a few pictures, and tell what it forgot.

ovdet finetune data.json --images photos/ --out my_model/
ovdet finetune data.json --out my_model/ --val val.json --how full --keep 0.7
ovdet infer photo.jpg --model my_model/ --classes "my thing" cat

data.json is a COCO file; ten pictures suffice. The report compares AP on the new classes and on
held-out ones before and after, and is kept as my_model/retention.json.
"""

import argparse
from pathlib import Path

SUMMARY = "teach a model new classes from a few pictures, with a retention report"
WHEN_STOPPED = "stopped; where there are weights.safetensors, the model is whole"

_HOW = ("head", "lora", "full")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("data", type=Path, help="COCO file with boxes of the new classes")
    add("--images", type=Path, metavar="DIR", help="its pictures (default: beside the file)")
    add("--out", type=Path, required=True, metavar="DIR", help="the model's folder, to be made")
    add("--model", default="ovdet-tiny", help="what to start from (ovdet-tiny)")
    add("--checkpoint", type=Path, metavar="FILE", help="weights, where --model is a config")
    add(
        "--how",
        choices=_HOW,
        default="head",
        help="head: a vector a class, all else stays (default); lora: low-rank changes too; "
        "full: all weights, mixed with the start's in the end",
    )
    add("--keep", type=float, metavar="SHARE", help="of full: the start's share, 0 to 1 (0.5)")
    add("--steps", type=int, metavar="N", help="optimizer steps (60; lora and full 120)")
    add("--val", type=Path, metavar="FILE", help="COCO file to measure the new classes on (data)")
    add("--val-images", type=Path, metavar="DIR", help="its pictures (beside the file)")
    add(
        "--held-out",
        metavar="FILE",
        help="COCO file of other classes, to measure what is forgotten, or @stickers-ov, rendered "
        "(default for ovdet-tiny)",
    )
    add("--held-out-images", type=Path, metavar="DIR", help="its pictures (beside the file)")
    add("--seed", type=int, default=0, help="same seed, same model (0)")


def run(options: argparse.Namespace) -> int:
    """Learn, write the folder and print the report."""
    from ovdet.finetuning import Plan, finetune

    given = {name: value for name, value in vars(options).items() if name != "program"}
    finetune(Plan(**given), lambda line: print(line, flush=True))
    print(f'{options.out}: ovdet infer photo.jpg --model {options.out} --classes "a new class"')
    return 0
