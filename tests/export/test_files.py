import json

import numpy as np
import onnxruntime
import pytest
from exports import SHOWN, scene
from PIL import Image

from ovdet.data.splits import read_vocabulary
from ovdet.export.comparison import STEP
from ovdet.export.files import embed, export
from ovdet.structures import InputError

NAMES = read_vocabulary("@lvis-v1").names


def padded(model, pixels):
    """Return what the card says goes in: the picture at the model's size, black beside it."""
    height, width = model.input_size(*pixels.shape[:2])
    images = np.zeros((1, 3, -(-height // 32) * 32, -(-width // 32) * 32), np.float32)
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    images[0, :, :height, :width] = np.asarray(small, np.float32).transpose(2, 0, 1) / 255
    return images, np.array([[height, width]]), small


@pytest.mark.parametrize("more", [None, 62, 805])
def test_one_file_takes_vocabularies_of_any_length(model, written, more):
    check_names(model, written, more, threshold=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("more", [None, 62, 805])
def test_the_default_model_takes_them_too(default, default_written, more):
    assert default_written.difference.close, default_written.difference.text
    check_names(default, default_written, more, threshold=0.05)


def check_names(model, written, more, threshold):
    """Check the numbers for names that a file was not traced with: torch's."""
    shown = scene(1)
    names = (shown.objects[0].name,)
    if more is not None:
        names = tuple(dict.fromkeys((*SHOWN, *NAMES[:more])))
    images, sizes, small = padded(model, shown.image)
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    text = model.embed_text(names).numpy()
    asked = {"images": images, "sizes": sizes, "text": text}
    asked["threshold"] = np.array(threshold, np.float32)
    boxes, scores, labels, owner, masks = session.run(None, asked)
    found = model.detect(np.asarray(small), names, threshold=threshold)
    assert len(found) == len(boxes) > 0
    assert not owner.any()
    np.testing.assert_allclose(scores, found.scores, atol=1e-4)
    np.testing.assert_allclose(boxes, found.boxes, atol=STEP * max(small.size))
    assert [names[i] for i in labels] == list(found.labels)
    assert masks.shape[0] == len(boxes)


def test_the_card_tells_what_goes_in_and_out(written):
    card = json.loads(written.card_path.read_text())
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    assert [v["name"] for v in card["inputs"]] == [v.name for v in session.get_inputs()]
    assert [v["name"] for v in card["outputs"]] == [v.name for v in session.get_outputs()]
    assert written.difference.close, written.difference.text


def test_names_are_written_for_a_file_without_any(model, tmp_path):
    table = np.load(embed(model, tmp_path / "names.npz", ["cat", "red car"]))
    assert table["names"].tolist() == ["cat", "red car"]
    np.testing.assert_array_equal(table["text"], model.embed_text(["cat", "red car"]).numpy())
    with pytest.raises(InputError, match=r"must end with \.npz"):
        embed(model, tmp_path / "names.json", ["cat"])


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
