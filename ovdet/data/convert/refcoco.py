"""RefCOCO, RefCOCO+ and RefCOCOg: expressions that mean one object of an image.

Yu et al., "Modeling Context in Referring Expressions", ECCV 2016, https://arxiv.org/abs/1608.00272;
Mao et al., CVPR 2016. The files are those of lichengunc/refer.
"""

import io
import pickle
from pathlib import Path
from typing import Any, NoReturn

from ovdet.data.annotations import is_whole
from ovdet.data.convert.instances import check_counts
from ovdet.data.convert.output import Output
from ovdet.structures import InputError, read_json

COUNTS = {
    ("refcoco", "unc"): {"images": 19_994, "objects": 50_000},
    ("refcoco+", "unc"): {"images": 19_992, "objects": 49_856},
    ("refcocog", "umd"): {"images": 25_799, "objects": 49_822},
    ("refcocog", "google"): {"images": 25_799, "objects": 49_822},
}
"""By data set and division: images and the objects referred to, over all splits."""


def convert_refcoco(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``<set>_<division>_<split>.json``, for ``PhraseDataset``.

    Every expression is a sentence that is one phrase of one box. Only boxes that are referred to
    are kept. File names are those of COCO's train2014.

    Args:
        source: The folder with ``refcoco``, ``refcoco+`` and ``refcocog``, or some of them, each
            with ``instances.json`` and ``refs(<division>).p``.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If there is no such file, or one is damaged or not what was published.
    """
    found = [key for key in COUNTS if _path(source, *key).is_file()]
    if not found:
        raise InputError(f"{source}: holds none of refcoco, refcoco+, refcocog with refs(unc).p")
    for name, division in found:
        path = _path(source, name, division)
        refs, instances = read_refs(path), _read_instances(path.with_name("instances.json"))
        counts = {"images": len({ref["image_id"] for ref in refs}), "objects": len(refs)}
        check_counts(path, counts, COUNTS[name, division], partial=partial)
        for split in sorted({ref["split"] for ref in refs}):
            chosen = [ref for ref in refs if ref["split"] == split]
            record = _record(chosen, instances, path)
            numbers = {key: len(record[key]) for key in ("images", "sentences", "annotations")}
            output.json(f"{name}_{division}_{split}.json", record, numbers)


def _path(source: Path, name: str, division: str) -> Path:
    return source / name / f"refs({division}).p"


def read_refs(path: Path) -> list[dict[str, Any]]:
    """Return the references of a file, which is a pickle: nothing in it is run.

    Raises:
        InputError: If the file cannot be read, would run code, or holds no references.
    """
    try:
        refs = _Plain(io.BytesIO(path.read_bytes()), encoding="utf-8").load()
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: refused or damaged: {error}") from error
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not isinstance(refs, list) or not refs:
        raise InputError(f"{path}: must hold a list of references")
    for place, ref in enumerate(refs):
        if not _is_reference(ref):
            raise InputError(
                f"{path}: reference {place} must have ann_id, image_id, split and sentences"
            )
    return refs


class _Plain(pickle.Unpickler):
    """Reads lists, dicts, texts and numbers; whatever needs a class or function is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(
            f"it would call {module}.{name}, and references are plain data"
        )


def _is_reference(ref: Any) -> bool:
    return (
        isinstance(ref, dict)
        and all(is_whole(ref.get(key)) for key in ("ann_id", "image_id"))
        and isinstance(ref.get("split"), str)
        and isinstance(ref.get("sentences"), list)
        and all(isinstance(s, dict) and isinstance(s.get("sent"), str) for s in ref["sentences"])
    )


def _read_instances(path: Path) -> dict[str, Any]:
    """Return images and annotations of a COCO file by their ids, and its categories."""
    record = read_json(path)
    facts: dict[str, Any] = {}
    for key in ("images", "annotations", "categories"):
        entries = record.get(key) if isinstance(record, dict) else None
        if not isinstance(entries, list) or not all(
            isinstance(e, dict) and "id" in e for e in entries
        ):
            raise InputError(f"{path}: must be a COCO object with a list '{key}', each with an id")
        facts[key] = entries if key == "categories" else {entry["id"]: entry for entry in entries}
    return facts


def _record(
    refs: list[dict[str, Any]], instances: dict[str, Any], path: Path
) -> dict[str, list[Any]]:
    images: dict[int, Any] = {}
    annotations: dict[int, Any] = {}
    sentences: list[Any] = []
    for ref in refs:
        image = instances["images"].get(ref["image_id"])
        box = instances["annotations"].get(ref["ann_id"])
        if image is None or box is None:
            raise InputError(f"{path}: instances.json lacks image {ref['image_id']} or its box")
        images[ref["image_id"]] = {
            key: image[key] for key in ("id", "file_name", "height", "width") if key in image
        }
        annotations[ref["ann_id"]] = box
        for sentence in ref["sentences"]:
            text = sentence["sent"].strip()
            if text:
                phrase = {"start": 0, "end": len(text), "annotation_ids": [ref["ann_id"]]}
                facts = {"id": len(sentences) + 1, "image_id": ref["image_id"], "text": text}
                sentences.append(facts | {"phrases": [phrase]})
    return {
        "images": list(images.values()),
        "annotations": list(annotations.values()),
        "categories": instances["categories"],
        "sentences": sentences,
    }
