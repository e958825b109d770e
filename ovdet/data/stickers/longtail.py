"""``stickers-lv``: all stickers in a long tail, annotated in part, as LVIS is.

LVIS (Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019,
https://arxiv.org/abs/1908.03195, Sec. 2) asks of each image about a few classes only. What it says
of an image and a class is one of four: all objects of the class are annotated, some are
(``not_exhaustive_category_ids``), the class is absent (``neg_category_ids``), or nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from ovdet.data.stickers.chance import count_between
from ovdet.data.stickers.coco_json import ORIGIN, annotate, encode_json
from ovdet.data.stickers.names import NAMES
from ovdet.data.stickers.scenes import Placed, Scene, SceneSpec, render_scene
from ovdet.data.stickers.series import numbered
from ovdet.structures import Vocabulary, atomic_write

LV_SPEC = SceneSpec(
    side=160,
    objects=(3, 10),
    sizes=(14, 56),
    clutter=(1, 4),
    clutter_sizes=(6, 36),
    recolour=0.1,
    rotation=25,
    brightness=(0.8, 1.2),
    contrast=(0.75, 1.2),
    occlusion=0.5,
    overhang=0.15,
    min_area=24,
    horizon=0.4,
    noise=0.02,
)
"""The difficulty of ``stickers-lv``."""

_KINDS = (8, 14)  # classes that the objects of one scene are drawn from: some come twice
_DECLINE = 4.6  # the rarest class is drawn exp(-4.6) times as often as the commonest, 1 : 100
_TAIL_SEED = 20  # the order of the classes along the tail is the same in every world
_RARE, _COMMON = 600, 60  # a class in at most one of so many images; LVIS' 10 and 100 at 6,000
_OVERLOOKED = 0.1  # share of the classes present that nobody asked about
_UNFINISHED = 0.3  # share of the classes with several objects of which some are left out
_NEGATIVES = 12  # classes asked about and not found, an image


@dataclass(frozen=True)
class Federated:
    """What is said about one scene: less than what is true of it.

    Attributes:
        objects: Those that are annotated.
        partial: Classes of ``objects`` of which more are there.
        negative: Classes that are not there.
    """

    objects: tuple[Placed, ...]
    partial: tuple[str, ...]
    negative: tuple[str, ...]


def tail_weights(count: int) -> NDArray[np.float64]:
    """Return how often each of ``count`` classes is drawn, [C], sum 1: an exponential tail."""
    order = np.random.default_rng(_TAIL_SEED).permutation(count)
    drawn = np.exp(-_DECLINE * order / max(count - 1, 1))
    weights: NDArray[np.float64] = drawn / drawn.sum()
    return weights


def render_crowd(
    rng: Generator, names: Sequence[str], weights: NDArray[np.float64] | None = None
) -> Scene:
    """Render a scene whose objects share a few classes, drawn by ``weights`` [C] or evenly."""
    kinds = rng.choice(len(names), count_between(rng, *_KINDS), p=weights)
    return render_scene(rng, LV_SPEC, [names[kind] for kind in kinds.tolist()])


def look_at(rng: Generator, objects: Sequence[Placed], names: Sequence[str]) -> Federated:
    """Annotate a scene the way LVIS does.

    Args:
        rng: Chooses what is asked about and where the work is left unfinished.
        objects: All that is there.
        names: All classes.
    """
    present = list(dict.fromkeys(thing.name for thing in objects))
    kept: list[Placed] = []
    partial: list[str] = []
    for name in present:
        if rng.random() < _OVERLOOKED:
            continue
        things = [thing for thing in objects if thing.name == name]
        if len(things) > 1 and rng.random() < _UNFINISHED:
            partial.append(name)
            things = things[: count_between(rng, 1, len(things) - 1)]
        kept += things
    absent = [name for name in names if name not in set(present)]
    count = min(_NEGATIVES, len(absent))
    negative = [absent[i] for i in sorted(rng.choice(len(absent), count, replace=False).tolist())]
    return Federated(tuple(kept), tuple(partial), tuple(negative))


def frequency_of(found: int, images: int) -> str:
    """Return ``r``, ``c`` or ``f`` for a class annotated in ``found`` of ``images`` images.

    At 6,000 images the bounds are those of LVIS: rare in at most 10, common in at most 100.
    """
    if found * _RARE <= images:
        return "r"
    return "c" if found * _COMMON <= images else "f"


class LvisWriter:
    """Collects what is said about scenes and gives it out as LVIS v1 annotation files.

    Args:
        names: All classes; their ids are 1 to C in this order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._ids = {name: number for number, name in enumerate(names, start=1)}
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, file_name: str, size: tuple[int, int], said: Federated) -> None:
        """Add one image of ``size`` (H, W), px."""
        number = len(self._images) + 1
        image = {
            "file_name": file_name,
            "height": size[0],
            "id": number,
            "neg_category_ids": self._numbers(said.negative),
            "not_exhaustive_category_ids": self._numbers(said.partial),
            "width": size[1],
        }
        self._images.append(image)
        for thing in said.objects:
            count = len(self._annotations) + 1
            self._annotations.append(annotate(thing, count, number, self._ids[thing.name]))

    def _numbers(self, names: Iterable[str]) -> list[int]:
        return sorted(self._ids[name] for name in names)

    def categories(self) -> list[dict[str, Any]]:
        """Return all classes with their counts, and what these say about their frequency."""
        instances = Counter(item["category_id"] for item in self._annotations)
        pairs = {(item["image_id"], item["category_id"]) for item in self._annotations}
        images = Counter(category for _, category in pairs)
        categories = []
        for name, number in self._ids.items():
            frequency = frequency_of(images[number], len(self._images))
            categories.append(
                {
                    "frequency": frequency,
                    "id": number,
                    "image_count": images[number],
                    "instance_count": instances[number],
                    "name": name,
                    "novel": frequency == "r",
                }
            )
        return categories

    def to_json(self, categories: Sequence[Mapping[str, Any]], *, rare: bool = True) -> bytes:
        """Return the file.

        Args:
            categories: As the training images have them, whichever split this is.
            rare: Say something about rare classes; else no annotation and no image names them.
        """
        hidden = {item["id"] for item in categories if item["frequency"] == "r" and not rare}
        lists = ("neg_category_ids", "not_exhaustive_category_ids")
        images = [
            image
            | {key: [number for number in image[key] if number not in hidden] for key in lists}
            for image in self._images
        ]
        annotations = [item for item in self._annotations if item["category_id"] not in hidden]
        return encode_json(
            {
                "annotations": annotations,
                "categories": list(categories),
                "images": images,
                "info": ORIGIN,
            }
        )


def write_lv(out: Path, seed: int, images: Mapping[str, int]) -> None:
    """Fill a folder with the track; see :class:`ovdet.data.stickers.tracks.Track`.

    Training images follow the tail; those of validation show every class about equally often,
    so that the AP of a rare class rests on as many objects as that of a frequent one.
    """
    train = _write_split(out, "train", seed, images["train"], tail_weights(len(NAMES)))
    val = _write_split(out, "val", seed, images["val"], None)
    categories = train.categories()
    folder = out / "annotations"
    atomic_write(folder / "train_norare.json", train.to_json(categories, rare=False))
    atomic_write(folder / "train_all.json", train.to_json(categories))
    atomic_write(folder / "val.json", val.to_json(categories))
    Vocabulary(
        names=NAMES,
        novel=tuple(item["novel"] for item in categories),
        frequency=tuple(item["frequency"] for item in categories),
        ids=tuple(item["id"] for item in categories),
    ).save(folder / "vocabulary.json")


def _write_split(
    out: Path, split: str, seed: int, count: int, weights: NDArray[np.float64] | None
) -> LvisWriter:
    (out / split).mkdir()
    writer = LvisWriter(NAMES)
    for file_name, rng in numbered("stickers-lv", split, seed, count):
        scene = render_crowd(rng, NAMES, weights)
        Image.fromarray(scene.image).save(out / split / file_name)
        said = look_at(rng, scene.objects, NAMES)
        writer.add(file_name, (scene.image.shape[0], scene.image.shape[1]), said)
    return writer
