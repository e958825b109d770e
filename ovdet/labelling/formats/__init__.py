"""Results as the files that others read: one module a format, written from parts in plan order."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from ovdet.labelling.formats.coco import write_coco
from ovdet.labelling.formats.fiftyone import write_fiftyone
from ovdet.labelling.formats.studio import write_studio
from ovdet.labelling.formats.voc import write_voc
from ovdet.labelling.formats.yolo import write_yolo
from ovdet.labelling.parts import Parts

Writer = Callable[[Parts], Path]

FORMATS: dict[str, Writer] = {
    "coco": write_coco,
    "yolo": write_yolo,
    "voc": write_voc,
    "label-studio": write_studio,
    "fiftyone": write_fiftyone,
}


def writers(names: Iterable[str], url: str | None = None) -> dict[str, Writer]:
    """Return the writers of formats, each once.

    Args:
        names: Of ``FORMATS``.
        url: What the addresses of Label Studio's pictures begin with; see ``write_studio``.
    """
    chosen = {name: FORMATS[name] for name in names}
    if url is not None and "label-studio" in chosen:
        chosen["label-studio"] = partial(write_studio, url=url)
    return chosen
