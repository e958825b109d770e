"""Image labels: pictures of one or two things that say what they show, but not where."""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from ovdet.data.stickers.coco_json import CocoWriter
from ovdet.data.stickers.scenes import SceneSpec, render_scene
from ovdet.data.stickers.series import numbered
from ovdet.data.stickers.split import as_vocabulary, ov_categories
from ovdet.structures import atomic_write

LABELS_SPEC = SceneSpec(objects=(1, 2), sizes=(20, 64), clutter=(0, 2))
"""As pictures found by a word are: fewer and larger things than in ``stickers-ov``."""


def write_labels(out: Path, seed: int, images: Mapping[str, int]) -> None:
    """Write the classes of ``stickers-ov``, novel ones too, as labels without a place.

    Each split's file is COCO's without annotations; its images list ``pos_category_ids``.

    Args:
        out: An empty folder.
        seed: Another seed is another world.
        images: Number of images of each split.
    """
    categories = ov_categories()
    names = [category.name for category in categories]
    for split, count in images.items():
        writer = CocoWriter(categories)
        (out / split).mkdir()
        for file_name, rng in numbered("stickers-labels", split, seed, count):
            scene = render_scene(rng, LABELS_SPEC, names)
            Image.fromarray(scene.image).save(out / split / file_name)
            writer.add(scene, file_name)
        atomic_write(out / "annotations" / f"{split}.json", writer.labels_to_json())
    as_vocabulary(categories).save(out / "annotations" / "vocabulary.json")
