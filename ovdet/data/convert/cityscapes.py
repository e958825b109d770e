"""Cityscapes: the 19 evaluated classes from the fine annotations.

Cordts et al., "The Cityscapes Dataset", CVPR 2016, https://arxiv.org/abs/1604.01685, Tab. 1.
"""

from pathlib import Path

from ovdet.data.convert.maps import Relabel, check_number, write_maps
from ovdet.data.convert.output import Output
from ovdet.data.splits import vocabulary

COUNTS = {"train": 2_975, "val": 500}
"""Fine annotations published."""

# label ids of the evaluated classes, in the order of their train ids (cityscapesScripts, labels.py)
_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_LABELS = range(34)
_LAST = "_gtFine_labelIds.png"


def convert_cityscapes(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``labels/train`` and ``labels/val``, named as the images below ``leftImg8bit``.

    Args:
        source: The folder with ``gtFine``.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If maps are missing, or hold what is no label.
    """
    evaluated = {number: train_id for train_id, number in enumerate(_LABEL_IDS)}
    relabel = Relabel(evaluated, set(_LABELS) - set(evaluated))
    found = {split: sorted((source / "gtFine" / split).glob(f"*/*{_LAST}")) for split in COUNTS}
    for split, files in found.items():
        if files or not partial or not any(found.values()):
            place = source / "gtFine" / split
            check_number(place, len(files), COUNTS[split], f"*/*{_LAST}", partial=partial)
            names = [f"{p.parent.name}/{p.name.replace(_LAST, '')}_leftImg8bit.png" for p in files]
            pairs = list(zip(names, files, strict=True))
            write_maps(pairs, relabel, output, f"labels/{split}")
    output.vocabulary("vocabulary.json", vocabulary("cityscapes"))
