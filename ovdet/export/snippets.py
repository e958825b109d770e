"""The Python that stands in a card: what runs an exported file, and what embeds other names."""

from collections.abc import Sequence

_HEAD = """import json

import numpy as np
{imports}

card = json.load(open({card!r}))
picture = Image.open("photo.jpg").convert("RGB")
"""
_IMPORTS = {
    "onnx": "import onnxruntime\nfrom PIL import Image",
    "program": "import ovdet.export  # brings an operator that the file needs\n"
    "import torch\nfrom PIL import Image",
}
_SCALED = """short, longest, stride = card["short"], card["longest"], card["stride"]
scale = min(short / min(picture.size), longest / max(picture.size))
size = [max(round(side * scale), 1) for side in picture.size]
"""
_AS_IT_IS = """stride, size = card["stride"], picture.size
"""
_PADDED = """width, height = size
rows, columns = (max(-(-side // stride), 2) for side in (height, width))
images = np.zeros((1, 3, rows * stride, columns * stride), np.float32)
small = picture.resize(size, Image.Resampling.BILINEAR)
images[0, :, :height, :width] = np.asarray(small, np.float32).transpose(2, 0, 1) / 255
"""
_STRETCHED = """size = [max(round(side / stride), 2) * stride for side in size]
small = picture.resize(size, Image.Resampling.BILINEAR)
images = np.asarray(small, np.float32).transpose(2, 0, 1)[None] / 255
"""
_NAMES = """table = np.load("names.npz")  # what the card's "embed" writes
names = table["names"]
"""
_BAKED = """names = card["names"]
"""
_RUN = {
    "onnx": """session = onnxruntime.InferenceSession({file!r})
answer = session.run(None, inputs)
""",
    "program": """program = torch.export.load({file!r}).module()  # trusted files only
tensors = map(torch.from_numpy, inputs.values())
answer = [one.detach().numpy() for one in program(*tensors)]
""",
}
_SHOW_BOXES = """boxes, scores, labels, owner = answer[:4]
boxes = boxes * np.array([*picture.size] * 2) / np.array([*size] * 2)  # px of the photo
for box, score, label in zip(boxes, scores, labels):
    print(names[label], round(float(score), 3), box.round(1).tolist())
"""
_SHOW_PIXELS = """labels, logits = answer
for label in np.unique(labels):
    print(names[label], round(float((labels == label).mean()), 3))
"""
_INPUTS = {
    "images": "images",
    "sizes": "np.array([[height, width]])",
    "text": 'table["text"]',
    "threshold": "np.array(0.3, np.float32)",
}
_EMBED = """import numpy as np
import ovdet

names = ["cat", "red car"]
np.savez("names.npz", names=names, text=ovdet.load({load}).embed_text(names))
"""


def run_snippet(form: str, file: str, inputs: Sequence[str], *, scaled: bool) -> str:
    """Return Python that asks an exported file about ``photo.jpg``, from the file's folder.

    Args:
        form: ``onnx`` or ``program``.
        file: The exported file's name.
        inputs: What the file takes, in order.
        scaled: Whether the model scales pictures; its own way of doing so is in the card.
    """
    boxes, given = "sizes" in inputs, "text" in inputs
    asked = "".join(f'    "{name}": {_INPUTS[name]},\n' for name in inputs)
    parts = [
        _HEAD.format(imports=_IMPORTS[form], card=f"{file}.json"),
        _SCALED if scaled else _AS_IT_IS,
        _PADDED if boxes else _STRETCHED,
        _NAMES if given else _BAKED,
        f"inputs = {{\n{asked}}}\n",
        _RUN[form].format(file=file),
        _SHOW_BOXES if boxes else _SHOW_PIXELS,
    ]
    return "".join(parts)


def embed_snippet(load: str) -> str:
    """Return Python that writes names and what the model's text tower says of them.

    Args:
        load: The arguments of ``ovdet.load``, as they are written.
    """
    return _EMBED.format(load=load)
