"""MaskFormer, Mask2Former and OneFormer as proposers, against transformers' own forward."""

import pytest
import torch
import torch.nn.functional as F
from transformers_folders import TEXT, enliven
from transformers_masks import NAMES, write_proposer

import ovdet
from ovdet.adapters import load_folder
from ovdet.adapters.transformers.naming import ProposedBranch
from ovdet.apis.inputs import load_picture
from ovdet.heads import CosineClassifier
from ovdet.registry import build
from ovdet.structures import InputError, MaskQueries, Regions, Vocabulary

WORDS = ["red car", "cat", "a kite"]


@pytest.fixture(scope="module", params=list(NAMES))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    return write_proposer(kind, tmp_path_factory.mktemp(kind))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A small random CLIP in transformers' own format."""
    import transformers

    place = tmp_path_factory.mktemp("clip")
    vision = {
        "hidden_size": 64,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 1,
        "image_size": 32,
        "patch_size": 8,
    }
    text = TEXT | {"hidden_size": 64, "num_attention_heads": 1}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    torch.manual_seed(0)
    enliven(transformers.CLIPModel(config)).save_pretrained(place)
    return place


@torch.no_grad()
def expected(kind, folder, photo):
    """transformers' mask logits [Q, h, w] and class logits [Q, K + 1] of a picture."""
    import transformers

    model = getattr(transformers, NAMES[kind]).from_pretrained(folder).eval()
    if kind == "oneformer":
        pictures = transformers.OneFormerImageProcessor.from_pretrained(folder)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        process = transformers.OneFormerProcessor(pictures, tokenizer, task_seq_length=30)
        inputs = process(photo, ["panoptic"], return_tensors="pt")
    else:
        name = {"maskformer": "MaskFormer", "mask2former": "Mask2Former"}[kind]
        process = getattr(transformers, f"{name}ImageProcessor").from_pretrained(folder)
        inputs = process(photo, return_tensors="pt")
    outputs = model(**inputs)
    return outputs.masks_queries_logits[0], outputs.class_queries_logits[0]


@torch.no_grad()
def test_masks_and_scores_are_theirs(kind, folder, photos):
    proposer = load_folder(folder)
    for photo in photos:
        image = proposer.pictures(load_picture(photo).to_sample()).image[None]
        (found,) = proposer([image])
        masks, classes = expected(kind, folder, photo)
        torch.testing.assert_close(found.logits[0], masks, atol=1e-4, rtol=1e-4)
        something = 1 - classes.softmax(dim=-1)[:, -1]
        torch.testing.assert_close(found.vectors[0, :, 0], something, atol=1e-4, rtol=0)
        assert masks.std() > 1e-2


def test_a_clip_names_them(folder, clip, photos):
    model = ovdet.load(f"{folder}+{clip}", device="cpu")
    assert model.name == f"{folder.name}+{clip.name}"
    assert model.task == "semantic"
    together = model.segment(photos, WORDS)
    for photo, result in zip(photos, together, strict=True):
        assert result.labels.shape == photo.shape[:2]
        alone = model.segment(photo, WORDS)
        assert (alone.labels == result.labels).mean() > 0.99
    assert model.detector.text.bank.encoded == len(WORDS)
    found = model.segment(photos[0], WORDS, "instance", threshold=0.0)
    assert len(found) > 0
    assert next(iter(found.masks)).shape == photos[0].shape[:2]
    assert model.segment(photos[0], WORDS, "panoptic").ids.shape == photos[0].shape[:2]


@torch.no_grad()
def test_labels_are_the_sum_of_masks_times_names(kind, folder, clip, photos):
    """MaskFormer's rule by hand: their masks, objectness and our branch's names."""
    model = ovdet.load(f"{folder}+{clip}", device="cpu")
    inner = model.detector.inner
    photo = photos[0]
    sample = model.detector.pictures(load_picture(photo).to_sample())
    flow = inner.begin([sample], Vocabulary.of(WORDS))
    scores, _ = inner._score(flow)
    masks, classes = expected(kind, folder, photo)
    sure = 1 - classes.softmax(dim=-1)[:, -1]
    torch.testing.assert_close(scores.sum(dim=1), sure, atol=1e-3, rtol=0)
    shape = sample.image.shape[1:]
    wide = F.interpolate(masks[None], photo.shape[:2], mode="bilinear", align_corners=False)[0]
    sums = torch.einsum("qc,qhw->chw", scores, wide.sigmoid())
    first, second = sums.topk(2, dim=0).values
    clear = ((first - second) > 0.02 * first).numpy()
    labels = model.segment(photo, WORDS).labels
    assert (labels == sums.argmax(dim=0).numpy())[clear].mean() > 0.98
    assert shape == flow.images.shape[2:]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_runs(folder, clip, photos, precision):
    model = ovdet.load(f"{folder}+{clip}", device="cpu", precision=precision)
    assert model.segment(photos[0], WORDS).labels.shape == photos[0].shape[:2]


def test_the_branch_believes_the_proposer():
    """By hand: a share of 1 / (1 + e^-20) for the first name, times the proposer's 0.25."""

    class Fixed(torch.nn.Module):
        def forward(self, *_):
            return torch.tensor([[1.0, 0.0]])

    branch = ProposedBranch(Fixed(), CosineClassifier(2, scale=20.0, background="none"))
    owner = torch.zeros(1, dtype=torch.int64)
    regions = Regions(torch.zeros(1, 4), owner, embeddings=torch.tensor([[0.25]]))
    _, logits = branch([], regions, torch.zeros(1, 3, 8, 8), torch.eye(2))
    share = torch.sigmoid(torch.tensor(20.0))
    wanted = torch.tensor([[0.25 * share, 0.25 * (1 - share)]])
    torch.testing.assert_close(branch.probabilities(logits, None), wanted)
    torch.testing.assert_close(logits.softmax(dim=1)[0, -1], torch.tensor(0.75))


def test_a_config_takes_them_as_proposals(folder, clip):
    branch = {
        "type": "ProposedBranch",
        "embedder": {
            "type": "MaskCropEmbedder",
            "encoder": {"type": "ClipImageEncoder", "weights": str(clip)},
            "size": 32,
        },
        "classifier": {"type": "CosineClassifier", "dim": 24, "background": "none"},
    }
    facts = {
        "type": "MaskSegmentor",
        "trunk": {"type": "PictureLevels"},
        "text": {
            "type": "TextClasses",
            "encoder": {"type": "OpenClipText", "weights": str(clip)},
        },
        "proposals": {"type": "TransformersFolder", "path": str(folder)},
        "branches": [branch],
        "scores": {"type": "FirstScores"},
        "criterion": {"type": "MaskSetCriterion"},
    }
    segmentor = build(facts, "model").eval()
    sample = load_picture(torch.zeros(64, 96, 3, dtype=torch.uint8).numpy()).to_sample()
    (labels,) = segmentor.segment([sample], Vocabulary.of(WORDS))
    assert labels.shape == (64, 96)
    assert isinstance(segmentor.masks([torch.zeros(1, 3, 64, 64)])[0], MaskQueries)


def test_what_does_not_make_a_pair(folder, tmp_path):
    with pytest.raises(InputError, match=r"one half of a pair: .*FOLDER\+CLIP"):
        ovdet.load(folder, device="cpu")
    with pytest.raises(InputError, match="cannot be read as weights"):
        ovdet.load(f"{folder}+none.safetensors", device="cpu")
    with pytest.raises(InputError, match="a folder brings its weights, leave checkpoint out"):
        ovdet.load(f"{folder}+{tmp_path}", checkpoint="w.pth", device="cpu")
