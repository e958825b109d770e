"""The script beside a file says what the model says; its steps are torch's and ovdet's own."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch
from contracts import ROOT
from exports import SHOWN, scene, small_model
from PIL import Image
from torch.nn.functional import interpolate

from ovdet.apis.images import read_image
from ovdet.export import script
from ovdet.export.choice import graph_of
from ovdet.export.files import embed, export
from ovdet.export.pictures import show
from ovdet.ops import mask_paste

DETECTOR, PIXELS = "base/models/two_stage_tiny", "methods/lseg/lseg_tiny_stickers"


def noise(width, height):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("config", [DETECTOR, PIXELS])
@pytest.mark.parametrize("size", [(700, 500), (333, 701), (60, 40), (96, 64), (900, 30)])
@pytest.mark.parametrize("short", [64, None])
def test_a_photo_is_prepared_as_the_model_does(config, size, short):
    model, pixels = small_model(config, short=short), noise(*size)
    graph = graph_of(model)
    expected = show(model, graph, pixels)
    card = {"short": short, "longest": 96, "stride": graph.stride}
    card["inputs"] = [{"name": name} for name in graph.inputs]
    images, (width, height) = script.prepare(Image.fromarray(pixels), card)
    np.testing.assert_allclose(images, expected.images, atol=1e-4)  # 8 bits are 4e-3
    if config == DETECTOR:
        assert expected.sample.image.shape == (3, height, width)


@pytest.mark.parametrize("size", [(5, 7), (28, 28), (3, 40), (1, 1)])
def test_maps_are_stretched_as_torch_does(size):
    maps = np.random.default_rng(1).random((2, 9, 11), np.float32)
    wanted = interpolate(torch.from_numpy(maps)[None], size, mode="bilinear")[0]
    np.testing.assert_allclose(script.stretch(maps, *size), wanted, atol=1e-6)


def test_masks_are_pasted_as_ovdet_does():
    draw = np.random.default_rng(2)
    masks = draw.random((6, 28, 28), np.float32)
    large = [[3.2, 4.7, 40.1, 33], [0, 0, 64, 48], [-9, -5, 20, 11], [50, 40, 90, 70]]
    thin = [[7.6, 9.1, 8.6, 30], [7.1, 9.6, 7.2, 9.7]]  # a column of pixels, and none
    boxes = np.array([*large, *thin], np.float32)
    pasted = np.zeros((6, 48, 64), np.bool_)
    for canvas, mask, box in zip(pasted, masks, boxes, strict=True):
        script.paste(canvas, mask, box.tolist())
    wanted = mask_paste(torch.from_numpy(masks), torch.from_numpy(boxes), 48, 64)
    np.testing.assert_array_equal(pasted, wanted)
    assert pasted[:4].any(axis=(1, 2)).all()


def test_photos_are_read_as_ovdet_does(tmp_path):
    turned, clear = tmp_path / "turned.jpg", tmp_path / "clear.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(40, 30)).save(turned, exif=exif)
    Image.fromarray(np.dstack([noise(40, 30), noise(40, 30)[..., 0]])).save(clear)
    for path in (turned, clear):
        np.testing.assert_array_equal(np.asarray(script.read(path)), read_image(path))


def ask(written, photo, *words):
    """Run the script; return what it prints and what it saves."""
    saved, drawn = photo.with_name("found.npz"), photo.with_name("found.png")
    words = [photo, *words, "--save", saved, "--draw", drawn]
    done = run([sys.executable, written.script_path, *words], photo.parent)
    assert Image.open(drawn).size == Image.open(photo).size
    return done.stdout, np.load(saved)


def run(words, folder):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def check_objects(model, written, folder, names):
    """Check the script's answer about photos that are scaled down, and up: the model's."""
    table = embed(model, folder / "names.npz", names)
    for side, cut in ((700, 500), (50, 40)):
        photo = folder / f"photo{side}.png"
        Image.fromarray(scene(2, side).image[:cut]).save(photo)
        printed, found = ask(written, photo, "--names", table)
        expected = model.detect(photo, names)
        assert len(found["boxes"]) == len(expected) == len(printed.splitlines()) > 0
        np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-3)
        np.testing.assert_allclose(found["boxes"], expected.boxes, atol=1e-3)
        assert found["names"][found["labels"]].tolist() == list(expected.labels)
        assert (found["masks"] == expected.masks).mean() > 0.999


def test_the_script_finds_what_the_model_finds(model, written, tmp_path):
    check_objects(model, written, tmp_path, SHOWN)


@pytest.mark.slow
def test_it_does_for_the_default_model(default, default_written, tmp_path):
    check_objects(default, default_written, tmp_path, SHOWN)


def test_the_page_can_be_followed(model, written, tmp_path):
    page = (ROOT / "docs/export.md").read_text()
    shown = [line for line in page.splitlines() if line.startswith("python model.onnx.py")]
    embed(model, tmp_path / "names.npz", ["cat", "dog"])
    Image.fromarray(noise(90, 70)).save(tmp_path / "photo.jpg")
    for path in (written.path, written.card_path, written.script_path):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert len(shown) == 1
    run([sys.executable, *shlex.split(shown[0])[1:]], tmp_path)
    assert {"found.png", "found.npz"} < {path.name for path in tmp_path.iterdir()}


def test_without_names_the_script_says_how_to_make_them(written):
    words = [sys.executable, written.script_path, "photo.jpg"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "ovdet export --model two_stage_tiny --embed names.npz --classes" in done.stderr


def test_a_segmentor_with_names_inside(tmp_path):
    """The labels of a photo's own pixels, from a model that was scaled and stretched."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model, names = small_model(PIXELS), ["cat", "dog", "cup"]
    written = export(model, tmp_path / "model.onnx", classes=names)
    assert written.difference.close, written.difference.text
    card = json.loads(written.card_path.read_text())
    assert card["names"] == names
    assert [value["name"] for value in card["inputs"]] == ["images"]
    assert "embed" not in card
    photo = tmp_path / "photo.png"
    Image.fromarray(scene(2, 230).image[:150]).save(photo)
    printed, found = ask(written, photo)
    expected = model.segment(photo, names)
    assert (found["labels"] == expected.labels).mean() > 0.999
    assert len(printed.splitlines()) == len(np.unique(found["labels"]))
