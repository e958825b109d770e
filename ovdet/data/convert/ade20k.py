"""ADE20K: 150 classes of scene parsing, and the 847 of the open-vocabulary test.

Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017, https://arxiv.org/abs/1608.05442.
"""

from pathlib import Path

from ovdet.data.convert.maps import IGNORED_16, Relabel, check_number, write_maps
from ovdet.data.convert.output import Output
from ovdet.data.splits import vocabulary
from ovdet.structures import InputError

COUNTS = {
    "ADEChallengeData2016": {"training": 20_210, "validation": 2_000},
    "ADE20K_2021_17_01": {"training": 25_574, "validation": 2_000},
}
"""Label maps published, for 150 and for 847 classes."""


def convert_ade20k(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``labels_150`` and ``labels_847`` with ``training`` and ``validation``.

    847 classes are read from the label maps of the usual preparation (``annotations_detectron2``
    of MaskFormer's script), whose images are shrunk with them (``images_detectron2``).

    Args:
        source: The folder with ``ADEChallengeData2016``, ``ADE20K_2021_17_01`` or both.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If maps are missing, or hold what is no label.
    """
    small, full = COUNTS
    if not (source / small).is_dir() and not (source / full).is_dir():
        raise InputError(f"{source}: must hold the folder {small} or {full}")
    if (source / small).is_dir():
        # 0 is what has no label, k is class k - 1
        relabel = Relabel({value: value - 1 for value in range(1, 151)}, [0])
        _write(source, small, "annotations", relabel, output, "labels_150", partial=partial)
        output.vocabulary("vocabulary_150.json", vocabulary("ade20k-150"))
    if (source / full).is_dir():
        relabel = Relabel({value: value for value in range(847)}, [IGNORED_16], wide=True)
        folder = "annotations_detectron2"
        _write(source, full, folder, relabel, output, "labels_847", partial=partial)
        output.vocabulary("vocabulary_847.json", vocabulary("ade20k-847"))


def _write(
    source: Path, name: str, below: str, relabel: Relabel, output: Output, to: str, *, partial: bool
) -> None:
    for split, number in COUNTS[name].items():
        folder = source / name / below / split
        files = sorted([*folder.glob("*.png"), *folder.glob("*.tif")])
        check_number(folder, len(files), number, "label maps", partial=partial)
        pairs = [(path.with_suffix(".png").name, path) for path in files]
        write_maps(pairs, relabel, output, f"{to}/{split}")
