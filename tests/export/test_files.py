import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from ovdet.data.splits import read_vocabulary
from ovdet.data.stickers import SceneSpec, render_scene
from ovdet.export.files import export
from ovdet.structures import InputError

NAMES = read_vocabulary("@lvis-v1").names
SHOWN = ("banana", "cup", "umbrella")


def scene(seed, side=200):
    spec = SceneSpec(side=side, objects=(3, 3), sizes=(40, 60), clutter=(0, 0), occlusion=0)
    return render_scene(np.random.default_rng(seed), spec, SHOWN)


def padded(model, pixels):
    """Return what the card says goes in: the picture at the model's size, black beside it."""
    height, width = model.input_size(*pixels.shape[:2])
    images = np.zeros((1, 3, -(-height // 32) * 32, -(-width // 32) * 32), np.float32)
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    images[0, :, :height, :width] = np.asarray(small, np.float32).transpose(2, 0, 1) / 255
    return images, np.array([[height, width]]), small


@pytest.mark.parametrize("more", [None, 62, 805])
def test_one_file_takes_vocabularies_of_any_length(model, written, more):
    """The same numbers as torch's, to 1e-4, for names the file was not traced with."""
    shown = scene(1)
    names = (shown.objects[0].name,)
    if more is not None:
        names = tuple(dict.fromkeys((*SHOWN, *NAMES[:more])))
    images, sizes, small = padded(model, shown.image)
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    text = model.embed_text(names).numpy()
    threshold = np.array(0.05, np.float32)
    boxes, scores, labels, owner, masks = session.run(
        None, {"images": images, "sizes": sizes, "text": text, "threshold": threshold}
    )
    found = model.detect(np.asarray(small), names, threshold=0.05)
    assert len(found) == len(boxes) > 0
    assert not owner.any()
    np.testing.assert_allclose(scores, found.scores, atol=1e-4)
    np.testing.assert_allclose(boxes, found.boxes, atol=1e-4, rtol=1e-6)
    assert [names[i] for i in labels] == list(found.labels)
    assert masks.shape[0] == len(boxes)


def test_the_card_tells_what_goes_in_and_out(written):
    card = json.loads(written.card_path.read_text())
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    assert [v["name"] for v in card["inputs"]] == [v.name for v in session.get_inputs()]
    assert [v["name"] for v in card["outputs"]] == [v.name for v in session.get_outputs()]
    assert written.difference.close, written.difference.text


def test_what_the_card_shows_runs(written, tmp_path):
    card = json.loads(written.card_path.read_text())
    Image.fromarray(scene(2).image).save(tmp_path / "photo.jpg", quality=95)
    for path in (written.path, written.card_path):
        (tmp_path / path.name).symlink_to(path)
    for part in ("embed", "run"):
        done = subprocess.run(
            [sys.executable, "-c", card[part]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("a.pt2", {}, "a file of the format onnx must end with .onnx"),
        ("a.onnx", {"form": "program"}, "a file of the format program must end with .pt2"),
        ("a.onnx", {"opset": 11}, "opset must be at least 18, got 11"),
        ("a.pt2", {"form": "program", "opset": 18}, "opset is of the format onnx"),
        ("a.ts", {"form": "torchscript"}, "form must be one of"),
    ],
)
def test_bad_arguments(model, tmp_path, name, how, message):
    with pytest.raises(InputError, match=message):
        export(model, tmp_path / name, **how)
    assert not list(tmp_path.iterdir())
