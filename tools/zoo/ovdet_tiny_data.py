#!/usr/bin/env python3
"""Put together what ovdet-tiny learns from: sticker scenes, mosaics of small photos, photos.

python tools/zoo/ovdet_tiny_data.py data/photos data/ovdet-tiny

PHOTOS holds tiny_imagenet, photos/coco (train only), street_fashion and grocery, each with its
annotations. Everything becomes one COCO file whose categories are all names together.
"""

import argparse
import io
import json
import sys
import zipfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as rle_codec

SIDE = 256  # px, of every picture made here

Cell = tuple[str, bytes, tuple[float, ...]]  # name, image file, xyxy in px

# ImageNet's finer names, said as people say them.
PLAIN = {
    "tabby": "cat", "Persian cat": "cat", "Egyptian cat": "cat", "Chihuahua": "dog",
    "Yorkshire terrier": "dog", "golden retriever": "dog", "Labrador retriever": "dog",
    "German shepherd": "dog", "standard poodle": "dog", "brown bear": "bear",
    "African elephant": "elephant", "ox": "cow", "bighorn": "sheep", "beach wagon": "car",
    "convertible": "car", "sports car": "car", "limousine": "car", "police van": "truck",
    "moving van": "truck", "school bus": "bus", "trolleybus": "bus", "bullet train": "train",
    "freight car": "train", "lifeboat": "boat", "gondola": "boat", "beer bottle": "bottle",
    "pop bottle": "bottle", "pill bottle": "bottle", "computer keyboard": "keyboard",
    "remote control": "remote", "rocking chair": "chair", "teddy": "teddy bear",
    "bow tie": "tie", "espresso": "cup", "comic book": "book", "cauliflower": "broccoli",
    "stopwatch": "clock", "wooden spoon": "spoon", "goose": "bird", "king penguin": "bird",
    "black stork": "bird", "albatross": "bird", "rugby ball": "sports ball",
    "volleyball": "sports ball", "basketball": "sports ball", "desk": "dining table",
}  # fmt: skip


@dataclass
class Writer:
    """Collects pictures and boxes; names become category ids in the order they come."""

    folder: Path
    ids: dict[str, int] = field(default_factory=dict)
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, image: Image.Image, objects: list[tuple[str, Any, Any]]) -> None:
        """Store a picture; an object is a name, xyxy in px and a bool mask or None."""
        number = len(self.images) + 1
        name = f"{number:06d}.jpg"
        image.save(self.folder / "images" / name, quality=92)
        width, height = image.size
        entry = {"id": number, "file_name": name, "width": width, "height": height}
        self.images.append(entry)
        for word, box, mask in objects:
            x1, y1 = max(box[0], 0), max(box[1], 0)
            x2, y2 = min(box[2], width), min(box[3], height)
            if x2 - x1 < 6 or y2 - y1 < 6:
                continue
            record = {
                "id": len(self.annotations) + 1,
                "image_id": number,
                "category_id": self.ids.setdefault(word, len(self.ids) + 1),
                "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
                "area": float((x2 - x1) * (y2 - y1)),
                "iscrowd": 0,
            }
            if mask is not None:
                code = rle_codec.encode(np.asfortranarray(mask.astype(np.uint8)))
                record["segmentation"] = {"size": code["size"], "counts": code["counts"].decode()}
            self.annotations.append(record)

    def save(self) -> None:
        """Write the COCO file."""
        categories = [{"id": i, "name": name, "novel": False} for name, i in self.ids.items()]
        record = {
            "images": self.images,
            "annotations": self.annotations,
            "categories": categories,
        }
        (self.folder / "train.json").write_text(json.dumps(record))


def main(words: list[str] | None = None) -> int:
    """Make the data; return the exit status."""
    parser = argparse.ArgumentParser(description="Put together what ovdet-tiny learns from.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes", type=int, default=1600)
    parser.add_argument("--mosaics", type=int, default=1800)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that was not installed
    (options.out / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    writer = Writer(options.out)
    add_scenes(writer, rng, options.scenes)
    add_mosaics(writer, rng, options.photos, options.mosaics)
    add_photos(writer, rng, options.photos / "photos/coco", "train2017", "instances", times=5)
    add_photos(writer, rng, options.photos / "street_fashion", "", "instances_train", times=1)
    writer.save()
    print(
        f"{len(writer.images)} pictures, {len(writer.annotations)} objects, {len(writer.ids)} names"
    )
    return 0


def add_scenes(writer: Writer, rng: np.random.Generator, count: int) -> None:
    """Add sticker scenes at twice their size; half of the objects have names of stickers-ov."""
    from ovdet.data.stickers.names import NAMES
    from ovdet.data.stickers.scenes import SceneSpec, render_scene
    from ovdet.data.stickers.split import ov_categories

    common = [category.name for category in ov_categories()]
    for index in range(count):
        scene = render_scene(rng, SceneSpec(), common if index % 2 else NAMES)
        image = Image.fromarray(scene.image).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        objects = []
        for thing in scene.objects:
            mask = np.kron(thing.mask, np.ones((2, 2), bool))
            objects.append((thing.name, tuple(2 * side for side in thing.box), mask))
        writer.add(image, objects)


def add_mosaics(writer: Writer, rng: np.random.Generator, photos: Path, count: int) -> None:
    """Add grids of small photos of one object each, moved and scaled within their cells."""
    cells = [*_tiny_imagenet(photos / "tiny_imagenet"), *_grocery(photos / "grocery")]
    for _ in range(count):
        grid = int(rng.integers(1, 4))
        edges = np.linspace(0, SIDE, grid + 1).round().astype(int)
        canvas = Image.new("RGB", (SIDE, SIDE), tuple(rng.integers(0, 256, 3).tolist()))
        objects = []
        for top, bottom in pairwise(edges):
            for left, right in pairwise(edges):
                name, data, box = cells[int(rng.integers(len(cells)))]
                image = Image.open(io.BytesIO(data)).convert("RGB")
                room = min(right - left, bottom - top)
                side = round(room * (rng.uniform(0.55, 1.0) if rng.random() < 0.4 else 1.0))
                x, y = (
                    left + int(rng.integers(room - side + 1)),
                    top + int(rng.integers(bottom - top - side + 1)),
                )
                scale = (side / image.width, side / image.height)
                canvas.paste(image.resize((side, side), Image.Resampling.BICUBIC), (x, y))
                corners = (
                    x + box[0] * scale[0], y + box[1] * scale[1],
                    x + box[2] * scale[0], y + box[3] * scale[1],
                )  # fmt: skip
                objects.append((name, corners, None))
        writer.add(canvas, objects)


def _tiny_imagenet(folder: Path) -> list[Cell]:
    record = json.loads((folder / "annotations/instances_train.json").read_text())
    names = {c["id"]: PLAIN.get(c["name"], c["name"].lower()) for c in record["categories"]}
    files = {image["id"]: image["file_name"] for image in record["images"]}
    with zipfile.ZipFile(folder / "images/train.zip") as archive:
        return [
            (names[a["category_id"]], archive.read(files[a["image_id"]]), _corners(a["bbox"]))
            for a in record["annotations"]
        ]


def _grocery(folder: Path) -> list[Cell]:
    record = json.loads((folder / "labels.json").read_text())
    cells: list[Cell] = []
    for image in record["images"]:
        if image["split"] == "train":
            name = record["categories"][image["label"]]["coarse_name"].lower().rstrip("s")
            data = (folder / "images" / image["file_name"]).read_bytes()
            cells.append((name, data, (0.0, 0.0, float(image["width"]), float(image["height"]))))
    return cells


def add_photos(
    writer: Writer, rng: np.random.Generator, folder: Path, split: str, file: str, *, times: int
) -> None:
    """Add whole photos, each ``times`` times, cut to a random square."""
    suffix = f"{file}_{split}.json" if split else f"{file}.json"
    record = json.loads((folder / "annotations" / suffix).read_text())
    names = {category["id"]: category["name"].lower() for category in record["categories"]}
    for _ in range(times):
        for image in record["images"]:
            members = [a for a in record["annotations"] if a["image_id"] == image["id"]]
            picture = Image.open(folder / "images" / split / image["file_name"]).convert("RGB")
            _add_cut(writer, rng, picture, [(names[a["category_id"]], a) for a in members])


def _add_cut(writer: Writer, rng: np.random.Generator, picture: Image.Image, members: Any) -> None:
    side = (
        int(min(picture.size) * rng.uniform(0.6, 1.0)) if rng.random() < 0.5 else max(picture.size)
    )
    left = int(rng.integers(max(picture.width - side, 0) + 1))
    top = int(rng.integers(max(picture.height - side, 0) + 1))
    cut = picture.crop((left, top, left + side, top + side))
    scale = SIDE / side
    objects = []
    for name, annotation in members:
        box = np.array(_corners(annotation["bbox"]))
        inside = np.clip(box - [left, top, left, top], 0, side)
        kept = np.prod(inside[2:] - inside[:2]) / max(np.prod(box[2:] - box[:2]), 1)
        if kept > 0.4:
            mask = _cut_mask(annotation, picture.size, (left, top, side))
            objects.append((name, tuple(inside * scale), mask))
    writer.add(cut.resize((SIDE, SIDE), Image.Resampling.BILINEAR), objects)


def _cut_mask(annotation: Any, size: tuple[int, int], cut: tuple[int, int, int]) -> Any:
    stored = annotation.get("segmentation")
    if not stored:
        return None
    width, height = size
    if isinstance(stored, list):
        stored = rle_codec.merge(rle_codec.frPyObjects(stored, height, width))
    elif isinstance(stored["counts"], list):
        stored = rle_codec.frPyObjects(stored, height, width)
    left, top, side = cut
    whole = Image.fromarray(rle_codec.decode(stored) * 255)
    piece = whole.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))
    return np.array(piece) > 127


def _corners(box: Any) -> tuple[float, ...]:
    x, y, width, height = box
    return (x, y, x + width, y + height)


if __name__ == "__main__":
    sys.exit(main())
