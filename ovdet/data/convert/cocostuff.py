"""COCO-Stuff 164k: 171 classes, for every pixel of COCO 2017.

Caesar et al., "COCO-Stuff", CVPR 2018, https://arxiv.org/abs/1612.03716.
"""

from pathlib import Path

from ovdet.data.convert.maps import IGNORED, Relabel, check_number, write_maps
from ovdet.data.convert.output import Output
from ovdet.data.splits import vocabulary

COUNTS = {"train": 118_287, "val": 5_000}
"""Label maps published."""


def convert_cocostuff(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``labels/train2017`` and ``labels/val2017``, named as COCO's images.

    - ``vocabulary.json``: the 171 classes.
    - ``vocabulary_zs.json``: the same with 15 unseen ones marked; with
      ``SemanticDataset(hide_novel=True)`` their pixels are ignored in training.

    Args:
        source: The folder with ``train2017`` and ``val2017``, or with them below
            ``stuffthingmaps``.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If maps are missing, or hold what is no label.
    """
    classes = vocabulary("coco-stuff")
    # pixels are ids less one
    relabel = Relabel({number - 1: i for i, number in enumerate(classes.category_ids)}, [IGNORED])
    below = source / "stuffthingmaps"
    root = below if below.is_dir() else source
    found = {split: sorted((root / f"{split}2017").glob("*.png")) for split in COUNTS}
    for split, files in found.items():
        if files or not partial or not any(found.values()):
            place = root / f"{split}2017"
            check_number(place, len(files), COUNTS[split], "maps (*.png)", partial=partial)
            pairs = [(path.name, path) for path in files]
            write_maps(pairs, relabel, output, f"labels/{split}2017")
    output.vocabulary("vocabulary.json", classes)
    output.vocabulary("vocabulary_zs.json", vocabulary("coco-stuff-zs"))
