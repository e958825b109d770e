"""Ask an exported model about a photo: numpy, Pillow and onnxruntime are all it takes.

python model.onnx.py photo.jpg --names names.npz --draw found.png --save found.npz

It lies beside its model and the card that says what goes in and out. A .pt2 file takes torch and
ovdet in place of onnxruntime, and can run code: ask only files you trust.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageOps

Card = Mapping[str, Any]
Numbers = np.ndarray[Any, Any]

LEAST = 2  # strides that a side has at least


def main() -> None:
    """Print what is found in a photo; draw and save it where asked."""
    card_path = Path(__file__).with_suffix(".json")
    card = json.loads(card_path.read_text())
    options = parse(card)
    photo = read(options.photo)
    names, text = card["names"], None
    if names is None:
        table = np.load(options.names)
        names, text = table["names"].tolist(), table["text"]
    images, size = prepare(photo, card)
    known: dict[str, Any] = {
        "images": images,
        "sizes": np.array([size[::-1]]),
        "text": text,
        "threshold": np.array(options.threshold, np.float32),
    }
    inputs = {value["name"]: known[value["name"]] for value in card["inputs"]}
    values = run(card_path.with_name(card["file"]), inputs)
    answer = {value["name"]: own for value, own in zip(card["outputs"], values, strict=True)}
    if finds_boxes(card):
        found = objects(answer, photo, size, options.top)
    else:
        found = pixels(answer, photo)
    for line in lines(found, names):
        print(line)
    if options.draw:
        draw(found, photo, names).save(options.draw)
    if options.save:
        arrays: dict[str, Any] = {"names": names, **found}
        np.savez_compressed(options.save, **arrays)


def parse(card: Card) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=f"Ask {card['file']} about a photo.")
    parser.add_argument("photo", type=Path)
    if card["names"] is None:
        parser.add_argument("--names", type=Path, metavar="NPZ", help="the names to ask for")
    least = card["threshold"]
    parser.add_argument("--threshold", type=float, default=least, help="least score of an object")
    parser.add_argument("--top", type=int, default=100, metavar="N", help="most objects")
    parser.add_argument("--draw", type=Path, metavar="PNG", help="the photo with what was found")
    parser.add_argument("--save", type=Path, metavar="NPZ", help="what was found, as arrays")
    options = parser.parse_args()
    if card["names"] is None and options.names is None:
        parser.error(f"give --names names.npz, made by: {card['embed']}")
    return options


def read(path: Path) -> Image.Image:
    """Return a photo upright, in RGB, what is transparent laid over white."""
    photo = ImageOps.exif_transpose(Image.open(path))
    if photo.has_transparency_data:
        white = Image.new("RGBA", photo.size, "white")
        photo = Image.alpha_composite(white, photo.convert("RGBA"))
    return photo.convert("RGB")


def finds_boxes(card: Card) -> bool:
    """Return whether the model finds boxes; else it names pixels."""
    return any(value["name"] == "sizes" for value in card["inputs"])


def prepare(photo: Image.Image, card: Card) -> tuple[Numbers, tuple[int, int]]:
    """Return the photo as the model takes it.

    Returns:
        Images [1, 3, H, W], RGB in [0, 1], and the (width, height) of the photo within them, px.
    """
    width, height = photo.size
    if card["short"] is not None:
        scale = min(card["short"] / min(photo.size), card["longest"] / max(photo.size))
        width, height = (max(round(side * scale), 1) for side in photo.size)
    planes = np.asarray(photo, np.float32).transpose(2, 0, 1) / np.float32(255)
    # Each colour by itself as floats: of a picture in RGB Pillow rounds to whole numbers.
    bilinear = Image.Resampling.BILINEAR
    resized = [Image.fromarray(plane).resize((width, height), bilinear) for plane in planes]
    planes = np.stack([np.asarray(plane) for plane in resized])
    stride: int = card["stride"]
    if finds_boxes(card):
        rows, columns = (max(-(-side // stride), LEAST) * stride for side in (height, width))
        images = np.zeros((1, 3, rows, columns), np.float32)
        images[0, :, :height, :width] = planes
        return images, (width, height)
    rows, columns = (max(round(side / stride), LEAST) * stride for side in (height, width))
    return stretch(planes, rows, columns)[None], (columns, rows)


def run(path: Path, inputs: Mapping[str, Numbers]) -> list[Numbers]:
    """Return the model's outputs."""
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return list(session.run(None, inputs))
    import torch

    import ovdet.export  # noqa: F401 - brings an operator that the file needs

    program = torch.export.load(path).module()
    tensors = [torch.from_numpy(value) for value in inputs.values()]
    with torch.no_grad():
        return [value.numpy() for value in program(*tensors)]


def objects(
    answer: Mapping[str, Numbers], photo: Image.Image, size: tuple[int, int], top: int
) -> dict[str, Numbers]:
    """Return the objects found, best first, in px of the photo.

    Returns:
        ``boxes`` [N, 4], x1, y1, x2, y2; ``scores`` [N]; ``labels`` [N], which name; and ``masks``
        [N, H, W], bool, where the model has them.
    """
    factor = np.array([*photo.size, *photo.size]) / np.array([*size, *size])
    boxes = (answer["boxes"][:top] * factor).astype(np.float32)
    found = {"boxes": boxes, "scores": answer["scores"][:top], "labels": answer["labels"][:top]}
    if "masks" in answer:
        masks = np.zeros((len(boxes), photo.height, photo.width), np.bool_)
        for canvas, mask, box in zip(masks, answer["masks"], boxes, strict=False):
            paste(canvas, mask, box.tolist())
        found["masks"] = masks
    return found


def paste(canvas: Numbers, mask: Numbers, box: Sequence[float]) -> None:
    """Draw a mask [h, w], in [0, 1], that fills a box into a photo's canvas [H, W], bool."""
    x, y = (
        np.arange(max(int(np.ceil(low - 0.5)), 0), min(int(np.ceil(high - 0.5)), side))
        for low, high, side in zip(box[:2], box[2:], canvas.shape[::-1], strict=True)
    )  # the pixels with their centres in the box
    if len(x) and len(y):
        wide = between(mask, 1, (x + 0.5 - box[0]) / (box[2] - box[0]))
        drawn = between(wide, 0, (y + 0.5 - box[1]) / (box[3] - box[1]))
        canvas[np.ix_(y, x)] = drawn >= 0.5


def pixels(answer: Mapping[str, Numbers], photo: Image.Image) -> dict[str, Numbers]:
    """Return ``labels`` [H, W] of the photo: which name each pixel has."""
    labels = np.zeros((photo.height, photo.width), np.int64)
    most = np.full(labels.shape, -np.inf, np.float32)
    for label, logits in enumerate(answer["logits"][0]):  # one at a time: they are large
        own = stretch(logits[None], *labels.shape)[0]
        labels[own > most] = label
        most = np.maximum(most, own)
    return {"labels": labels}


def stretch(maps: Numbers, height: int, width: int) -> Numbers:
    """Return maps [C, h, w] bilinearly at another size."""
    wide = between(maps, 2, (np.arange(width) + 0.5) / width)
    return between(wide, 1, (np.arange(height) + 0.5) / height)


def between(cells: Numbers, axis: int, places: Numbers) -> Numbers:
    """Return cells along an axis at places in [0, 1], linear between the centres of two."""
    last = cells.shape[axis] - 1
    place = (places * (last + 1) - 0.5).clip(0, last)
    low = place.astype(np.int64)
    share = (place - low).astype(np.float32).reshape([-1] + [1] * (cells.ndim - 1 - axis))
    before = cells.take(low, axis)
    after = cells.take((low + 1).clip(max=last), axis)
    return np.asarray(before + (after - before) * share)


def lines(found: Mapping[str, Numbers], names: Sequence[str]) -> list[str]:
    """Return a line for each object, or for each name with the part of the photo it covers."""
    labels = found["labels"]
    if "boxes" not in found:
        return [f"{names[one]}  {(labels == one).mean():.1%}" for one in np.unique(labels)]
    rows = zip(labels, found["scores"], found["boxes"], strict=True)
    return [
        f"{names[label]}  {score:.3f}  " + " ".join(f"{side:.1f}" for side in box)
        for label, score, box in rows
    ]


def draw(found: Mapping[str, Numbers], photo: Image.Image, names: Sequence[str]) -> Image.Image:
    """Return the photo with what was found: masks in colours, boxes with their names."""
    labels = found["labels"]
    boxed = "boxes" in found
    kinds = labels if boxed else np.unique(labels)
    masks = found.get("masks", []) if boxed else [labels == kind for kind in kinds]
    values = np.array(photo)
    for mask, kind in zip(masks, kinds, strict=False):
        values[mask] = (values[mask] + np.array(colour(kind))) / 2
    drawn = Image.fromarray(values)
    pen = ImageDraw.Draw(drawn)
    for kind, box in zip(kinds, found.get("boxes", []), strict=False):
        pen.rectangle(box.tolist(), outline=colour(kind), width=2)
        pen.text((box[0] + 4, box[1] + 2), names[kind], fill=colour(kind))
    return drawn


def colour(label: int) -> tuple[int, ...]:
    """Return RGB that neighbouring labels do not share."""
    return ImageColor.getrgb(f"hsl({label * 137 % 360}, 80%, 50%)")


if __name__ == "__main__":
    main()
