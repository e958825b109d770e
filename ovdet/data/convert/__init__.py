"""Published data sets into the project's formats; ``tools/convert.py`` is the command line.

A conversion is one function ``(source, output, partial=...)`` in a module of its own and one entry
of ``CONVERSIONS``; its docstring tells what it writes.
"""

from pathlib import Path
from typing import Protocol

from ovdet.data.convert.ade20k import convert_ade20k
from ovdet.data.convert.cityscapes import convert_cityscapes
from ovdet.data.convert.coco_captions import convert_coco_captions
from ovdet.data.convert.coco_ov import convert_coco_ov
from ovdet.data.convert.coco_tags import convert_coco_tags
from ovdet.data.convert.cocostuff import convert_cocostuff
from ovdet.data.convert.context import convert_context
from ovdet.data.convert.flickr30k_entities import convert_flickr30k_entities
from ovdet.data.convert.lvis_ov import convert_lvis_ov
from ovdet.data.convert.odinw import convert_odinw, convert_odinw35
from ovdet.data.convert.output import Output, Written
from ovdet.data.convert.refcoco import convert_refcoco
from ovdet.data.convert.voc import convert_voc
from ovdet.data.convert.yolo import convert_yolo
from ovdet.structures import InputError

__all__ = ["CONVERSIONS", "Output", "Written", "convert"]


class Conversion(Protocol):
    """Reads a data set as its authors give it away and writes it as the project reads it."""

    def __call__(self, source: Path, output: Output, *, partial: bool = False) -> None:
        """Write ``source`` to ``output``; with ``partial`` accept less than was published."""
        ...


CONVERSIONS: dict[str, Conversion] = {
    "coco-ov": convert_coco_ov,
    "lvis-ov": convert_lvis_ov,
    "voc": convert_voc,
    "yolo": convert_yolo,
    "odinw": convert_odinw,
    "odinw35": convert_odinw35,
    "coco-captions": convert_coco_captions,
    "coco-tags": convert_coco_tags,
    "flickr30k-entities": convert_flickr30k_entities,
    "refcoco": convert_refcoco,
    "ade20k": convert_ade20k,
    "context": convert_context,
    "cocostuff": convert_cocostuff,
    "cityscapes": convert_cityscapes,
}
"""Name to conversion."""


def convert(
    name: str,
    source: str | Path,
    out: str | Path,
    *,
    check: bool = False,
    partial: bool = False,
    force: bool = False,
) -> list[Written]:
    """Convert a data set; the folder is there whole or not at all.

    Args:
        name: One of ``CONVERSIONS``.
        source: The data set's folder.
        out: The folder to make.
        check: Write nothing: read everything, sum what would be written, and compare it with the
            files in ``out`` where there are any.
        partial: Accept an input that holds less than was published.
        force: Replace the folder of an earlier conversion.

    Returns:
        Each file and folder, with its sum and counts, sorted by path.

    Raises:
        InputError: If the conversion is unknown, an input is missing, damaged or not what was
            published, ``out`` is not empty, or, when checking, holds other files.
        OSError: If the folder cannot be written.
    """
    if name not in CONVERSIONS:
        raise InputError(f"conversion must be one of {', '.join(CONVERSIONS)}, got {name!r}")
    source = Path(source)
    if not source.is_dir():
        raise InputError(f"{source}: there is no such folder")
    with Output(out, check=check, force=force) as output:
        CONVERSIONS[name](source, output, partial=partial)
    return sorted(output.written, key=lambda one: one.path)
