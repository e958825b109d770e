"""PASCAL Context: all 459 labels, and the 59 frequent classes among them.

Mottaghi et al., "The Role of Context for Object Detection and Semantic Segmentation in the Wild",
CVPR 2014.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ovdet.data.convert.maps import IGNORED_16, Relabel, check_number, read_list
from ovdet.data.convert.output import Output
from ovdet.data.splits import vocabulary
from ovdet.structures import InputError

COUNTS = {"train": 4_998, "val": 5_105}
"""Images of VOC 2010's lists, all of which are labelled."""


def convert_context(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``labels_59`` and ``labels_459``, each with ``train`` and ``val``.

    The 59 are picked from the 459 by name; what else there is, is ignored as background is.

    Args:
        source: The folder ``VOC2010`` with ``ImageSets/Main/train.txt`` and ``val.txt`` and the
            authors' label maps ``trainval/*.mat``.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If a label map is missing, damaged, or holds what is no label.
    """
    few, every = vocabulary("context-59"), vocabulary("context-459")
    place = {name: i for i, name in enumerate(few.names)}
    named = dict(zip(every.category_ids, every.names, strict=True))
    picked = {number: place[name] for number, name in named.items() if name in place}
    relabels = {
        "labels_59": Relabel(picked, [0, *(set(named) - set(picked))]),
        "labels_459": Relabel({n: i for i, n in enumerate(every.category_ids)}, [0], wide=True),
    }
    found = 0
    for split, number in COUNTS.items():
        listed = source / "ImageSets" / "Main" / f"{split}.txt"
        if partial and not listed.exists():
            continue
        names = [line.split()[0] for line in read_list(listed)]
        check_number(listed, len(names), number, "names", partial=partial)
        found += len(names)
        for to, relabel in relabels.items():
            with output.maps(f"{to}/{split}") as maps:
                bar = tqdm(sorted(names), desc=f"{to}/{split}", disable=None, leave=False)
                for name in bar:
                    path = source / "trainval" / f"{name}.mat"
                    maps.add(f"{name}.png", relabel(read_mat(path), path))
    if not found:
        raise InputError(f"{source}: holds no ImageSets/Main/train.txt or val.txt")
    output.vocabulary("vocabulary_59.json", few)
    output.vocabulary("vocabulary_459.json", every)


def read_mat(path: Path) -> NDArray[np.int64]:
    """Return the ``LabelMap`` [H, W] of one of the authors' files.

    Raises:
        InputError: If the file cannot be read or holds no such map.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        labels = loadmat(str(path)).get("LabelMap")
    except (OSError, MatReadError, ValueError, TypeError, NotImplementedError) as error:
        raise InputError(f"{path}: cannot be read as a MATLAB file: {error}") from error
    if labels is None or labels.ndim != 2 or labels.min(initial=0) < 0:
        raise InputError(f"{path}: must hold the matrix LabelMap")
    values: NDArray[np.int64] = np.minimum(labels, IGNORED_16).astype(np.int64)
    return values
