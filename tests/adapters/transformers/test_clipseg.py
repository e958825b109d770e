"""CLIPSeg folders against transformers' own forward."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers_folders import TEXT, enliven

import ovdet
from ovdet.adapters import load_folder
from ovdet.structures import IGNORED, InputError, Vocabulary
from ovdet.text import ClipTokenizer

WORDS = ["red car", "cat", "a kite"]
SIDE = 48


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "refined"])
def folder(request, tmp_path_factory):
    import transformers

    place = tmp_path_factory.mktemp("clipseg")
    vision = {
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 16,
    }
    config = transformers.CLIPSegConfig(
        text_config=TEXT,
        vision_config=vision,
        projection_dim=24,
        reduce_dim=16,
        extract_layers=[0, 1, 2],
        decoder_num_attention_heads=4,
        decoder_intermediate_size=40,
        use_complex_transposed_convolution=request.param,
    )
    torch.manual_seed(0)
    enliven(transformers.CLIPSegForImageSegmentation(config)).save_pretrained(place)
    size = {"height": SIDE, "width": SIDE}
    stats = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    transformers.ViTImageProcessor(size=size, **stats).save_pretrained(place)
    return place


@torch.no_grad()
def expected(folder, photo):
    """transformers' logits [C, H, W] of a picture, stretched to it."""
    import transformers

    model = transformers.CLIPSegForImageSegmentation.from_pretrained(folder).eval()
    processor = transformers.ViTImageProcessor.from_pretrained(folder)
    pixels = processor(images=photo, return_tensors="pt")["pixel_values"]
    ids = ClipTokenizer(16)(WORDS)
    logits = model(input_ids=ids, pixel_values=pixels.expand(len(WORDS), -1, -1, -1)).logits
    return F.interpolate(logits[None], photo.shape[:2], mode="bilinear", align_corners=False)[0]


def test_labels_are_theirs(folder, photos):
    model = ovdet.load(folder, device="cpu")
    assert model.task == "semantic"
    results = model.segment(photos, WORDS, "semantic")
    for photo, result in zip(photos, results, strict=True):
        logits = expected(folder, photo)
        best = logits.max(dim=0)
        labels = torch.where(best.values >= 0, best.indices, IGNORED).numpy()
        first, second = logits.topk(2, dim=0).values
        clear = ((first - second > 1e-3) & (best.values.abs() > 1e-3)).numpy()
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(result.labels[clear], labels[clear])


@torch.no_grad()
def test_logits_are_theirs(folder, photos):
    segmentor = load_folder(folder)
    sample = ovdet.apis.inputs.load_picture(photos[0]).to_sample()
    image = segmentor.pictures(sample).image[None]
    found = segmentor.inner.look(image, segmentor.text(Vocabulary.of(WORDS)))
    stretched = F.interpolate(found, photos[0].shape[:2], mode="bilinear", align_corners=False)
    torch.testing.assert_close(stretched[0], expected(folder, photos[0]), atol=1e-4, rtol=1e-4)
    assert found.std() > 0.01


def test_it_is_not_trained_through_the_door(folder):
    with pytest.raises(InputError, match="a folder's segmentor predicts"):
        load_folder(folder).loss([], Vocabulary.of(["cat"]))


def test_another_place_of_the_condition_is_told(folder, tmp_path):
    record = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(record | {"conditional_layer": 1}))
    with pytest.raises(InputError, match="conditional_layer must be 0, got 1"):
        load_folder(tmp_path)
