"""GroupViT folders against transformers' own segmentation logits."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers_folders import write_groupvit

import ovdet
from ovdet.adapters import load_folder
from ovdet.apis.inputs import load_picture
from ovdet.structures import InputError, Vocabulary
from ovdet.text import ClipTokenizer

WORDS = ["red car", "cat", "a kite"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_groupvit(tmp_path_factory.mktemp("groupvit"))


@torch.no_grad()
def expected(folder, photo):
    """transformers' logits [C, S, S] of a whole picture, stretched to its square."""
    import transformers

    model = transformers.GroupViTModel.from_pretrained(folder).eval()
    processor = transformers.CLIPImageProcessor.from_pretrained(folder)
    size = {"height": 64, "width": 64}
    pixels = processor(images=photo, size=size, do_center_crop=False, return_tensors="pt")
    outputs = model(input_ids=ClipTokenizer(16)(WORDS), **pixels, output_segmentation=True)
    return outputs.segmentation_logits[0]


@torch.no_grad()
def test_logits_are_theirs(folder, photos):
    segmentor = load_folder(folder)
    classes = segmentor.text(Vocabulary.of(WORDS)).classes
    for photo in photos:
        sample = load_picture(photo).to_sample()
        found = segmentor.name(*segmentor.look(segmentor.pictures(sample).image[None]), classes)[0]
        wanted = expected(folder, photo)
        scale = wanted.abs().max()  # about 200: two temperatures
        torch.testing.assert_close(found / scale, wanted / scale, atol=1e-4, rtol=0)
        assert (wanted / scale).std() > 0.01


def test_a_square_picture_needs_no_other_rule(folder):
    """Their processor's crop and our stretch are the same where the picture is square."""
    import transformers

    photo = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    processor = transformers.CLIPImageProcessor.from_pretrained(folder)
    theirs = processor(images=photo, return_tensors="pt", do_normalize=False)["pixel_values"][0]
    sample = load_picture(photo).to_sample()
    torch.testing.assert_close(load_folder(folder).pictures(sample).image, theirs)


def test_labels_are_theirs(folder, photos):
    model = ovdet.load(folder, device="cpu")
    assert model.task == "semantic"
    for photo, result in zip(photos, model.segment(photos, WORDS, "semantic"), strict=True):
        logits = expected(folder, photo)[None]
        sized = F.interpolate(logits, photo.shape[:2], mode="bilinear", align_corners=False)[0]
        first, second = sized.topk(2, dim=0).values
        clear = (first - second > 1e-2).numpy()
        assert clear.mean() > 0.8
        np.testing.assert_array_equal(result.labels[clear], sized.argmax(dim=0).numpy()[clear])


def test_a_batch_is_its_pictures_and_text_is_encoded_once(folder, photos):
    model = ovdet.load(folder, device="cpu")
    together = model.segment(photos, WORDS, "semantic")
    alone = [model.segment(photo, WORDS, "semantic") for photo in photos]
    for one, other in zip(together, alone, strict=True):
        assert (one.labels == other.labels).mean() > 0.99
    assert model.detector.text.bank.encoded == len(WORDS)
    assert model.embed_text(WORDS).shape == (3, 20)


@torch.no_grad()
def test_tokens_can_be_read_one_by_one(folder):
    tower = load_folder(folder).text.encoder
    ids = ClipTokenizer(16)(["cat", "red car"])
    ends = (ids == ids.max()).int().argmax(dim=1)
    each = tower.read(tower.embed_ids(ids))
    assert each.shape == (2, 16, 20)
    torch.testing.assert_close(each[torch.arange(2), ends], tower.read(tower.embed_ids(ids), ends))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_runs(folder, photos, precision):
    half = ovdet.load(folder, device="cpu", precision=precision)
    exact = ovdet.load(folder, device="cpu").segment(photos[0], WORDS, "semantic")
    assert (half.segment(photos[0], WORDS, "semantic").labels == exact.labels).mean() > 0.8


def test_it_says_what_it_cannot_do(folder, tmp_path):
    segmentor = load_folder(folder)
    with pytest.raises(InputError, match="can be asked for semantic, got 'panoptic'"):
        segmentor.segment([], Vocabulary.of(WORDS), "panoptic")
    with pytest.raises(InputError, match="a folder's segmentor predicts"):
        segmentor.loss([], Vocabulary.of(WORDS))
    assert segmentor.segment([], Vocabulary.of(WORDS)) == []
    record = json.loads((folder / "config.json").read_text())
    record["text_config"]["vocab_size"] = 100
    (tmp_path / "config.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="vocab_size must be CLIP's 49408, got 100"):
        load_folder(tmp_path)
