"""OWL-ViT and OWLv2 folders against transformers' own forward and post-processing."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import ovdet
from ovdet.adapters import load_folder
from ovdet.adapters.transformers.owl import SizedDetector
from ovdet.structures import InputError, Regions, Vocabulary
from ovdet.text import ClipTokenizer

WORDS = ["red car", "cat", "a kite"]
KINDS = {"owlvit": "OwlViT", "owlv2": "Owlv2"}


@pytest.fixture(scope="module", params=list(KINDS))
def folder(request, tmp_path_factory, owl):
    return owl(request.param, tmp_path_factory.mktemp(request.param))


@torch.no_grad()
def expected(folder, photos, names):
    """What transformers says of each picture by itself."""
    import transformers

    kind = KINDS[json.loads((folder / "config.json").read_text())["model_type"]]
    model = getattr(transformers, f"{kind}ForObjectDetection").from_pretrained(folder).eval()
    processor = getattr(transformers, f"{kind}ImageProcessor").from_pretrained(folder)
    ids = ClipTokenizer(16)(names)
    found = []
    for photo in photos:
        pixels = processor(images=photo, return_tensors="pt")["pixel_values"]
        outputs = model(input_ids=ids, pixel_values=pixels)
        size = torch.tensor([photo.shape[:2]])
        found += processor.post_process_object_detection(outputs, 0.0, size)
    return found


def clipped(theirs, photo, names):
    """Their rows, clipped to the picture, without those outside of it."""
    height, width = photo.shape[:2]
    limit = torch.tensor([width, height, width, height])
    rows = []
    for score, label, box in zip(theirs["scores"], theirs["labels"], theirs["boxes"], strict=True):
        inside = box.clamp(min=0).minimum(limit)
        if (inside[2:] > inside[:2]).all():
            rows.append((float(score), names[label], inside.numpy()))
    return rows


def holds(result, row):
    """Tell whether a result has a row: the same name, score (1e-4) and box (1e-4 of 100 px)."""
    score, label, box = row
    near = np.abs(result.scores - score) < 1e-4
    near &= (np.abs(result.boxes - box) < 1e-2).all(axis=1)
    return any(near & (np.array(result.labels) == label))


def test_boxes_scores_and_labels_are_theirs(folder, photos):
    model = ovdet.load(folder, device="cpu")
    results = model.detect(photos, WORDS, threshold=0.0, top_k=1000)
    for photo, result, theirs in zip(photos, results, expected(folder, photos, WORDS), strict=True):
        rows = clipped(theirs, photo, WORDS)
        assert len(result) == len(WORDS) * len(rows) > 9
        assert all(holds(result, row) for row in rows)
        assert np.ptp(result.scores) > 1e-3


def test_a_batch_is_its_pictures(folder, photos):
    model = ovdet.load(folder, device="cpu")
    together = model.detect(photos, WORDS, threshold=0.0)
    for photo, result in zip(photos, together, strict=True):
        alone = model.detect(photo, WORDS, threshold=0.0)
        assert alone.labels == result.labels
        np.testing.assert_allclose(alone.boxes, result.boxes, atol=1e-3)
        np.testing.assert_allclose(alone.scores, result.scores, atol=1e-5)


@torch.no_grad()
def test_many_names_are_their_own_affair(folder, photos):
    model = ovdet.load(folder, device="cpu")
    many = [f"thing {i}" for i in range(150)]
    few = model.detect(photos[0], ["cat"], threshold=0.0, top_k=1000)
    among = model.detector.predict(
        [ovdet.apis.inputs.load_picture(photos[0]).to_sample()],
        Vocabulary.of([*many, "cat"]),
        top_k=10_000,
    )[0]
    scores = among.scores[among.labels == 150]
    assert len(scores) > 0
    np.testing.assert_allclose(scores, few.scores[: len(scores)], atol=1e-4)


def test_text_is_encoded_once(folder, photos):
    model = ovdet.load(folder, device="cpu")
    model.detect(photos, WORDS)
    model.detect(photos[::-1], WORDS[::-1])
    assert model.detector.text.bank.encoded == 3


def test_what_a_box_shows_stands_for_a_prompt(folder, photos):
    """A predicted box of the picture is shown: its own place then agrees with itself, cosine 1."""
    model = ovdet.load(folder, device="cpu")
    sample = ovdet.apis.inputs.load_picture(photos[0]).to_sample()
    sized = model.detector.pictures(sample)
    with torch.no_grad():
        seen = model.detector.inner.look([sized])
        height, width = photos[0].shape[:2]
        boxes = sized.to_original(seen.boxes[0])
        box = boxes[(boxes[:, 2:] - boxes[:, :2]).amin(dim=1) > 1][0]
        regions = Regions(box[None], torch.zeros(1, dtype=torch.int64))
        (vector,) = model.detector.embed_boxes([sample], regions)
    assert (seen.embeddings[0] @ vector).max() == pytest.approx(1, abs=1e-4)
    shown = ovdet.Shown(photos[0], (tuple(box.tolist()),))
    prompt = ovdet.Prompt("it", shown=(shown,), named=False)
    found = model.detect(photos[0], [prompt], threshold=0.0)
    assert set(found.labels) == {"it"}
    assert found.boxes[:, 2].max() <= width
    assert found.boxes[:, 3].max() <= height


def test_no_names_become_others(folder, photos):
    model = ovdet.load(folder, device="cpu")
    names = ["Fire_Extinguisher", "japanese_fruit", "plant flower", "St. Bernard", "日本", "?"]
    found = model.detect(photos[0], names, threshold=0.0, top_k=1000)
    assert set(found.labels) == set(names)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_stays_near(folder, photos, precision):
    exact = ovdet.load(folder, device="cpu").detect(photos[:2], ["cat"], threshold=0.0)
    model = ovdet.load(folder, device="cpu", precision=precision)
    for one, other in zip(exact, model.detect(photos[:2], ["cat"], threshold=0.0), strict=True):
        # One at the rim may fall in or out: the best are compared.
        np.testing.assert_allclose(one.scores[:2], other.scores[:2], atol=0.05)


def test_a_stored_half_is_read_as_single(folder, tmp_path):
    from safetensors.torch import load_file

    halves = {k: v.half() for k, v in load_file(folder / "model.safetensors").items()}
    save_file(halves, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    detector = load_folder(tmp_path)
    assert isinstance(detector, SizedDetector)
    assert {p.dtype for p in detector.parameters()} == {torch.float32}


def test_weights_in_several_files(folder, photos, tmp_path):
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: weights[name] for name in part}, tmp_path / file)
    places = {name: file for file, part in halves.items() for name in part}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    whole = ovdet.load(folder, device="cpu").detect(photos[0], WORDS, threshold=0.0)
    parts = ovdet.load(tmp_path, device="cpu").detect(photos[0], WORDS, threshold=0.0)
    np.testing.assert_array_equal(whole.scores, parts.scores)


def test_it_is_not_trained_through_the_door(folder):
    with pytest.raises(InputError, match="a folder's detector predicts"):
        load_folder(folder).loss([], Vocabulary.of(["cat"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "relu"}, r"hidden_act must be one of \['gelu', 'quick_gelu'\], got 'relu'"),
        ({"layer_norm_eps": 1e-6}, "layer_norm_eps must be 1e-05, got 1e-06"),
        ({"hidden_size": 24}, r"other sizes than config\.json says, \d+: head\.box\.0\.bias"),
        ({"num_hidden_layers": 1}, r"holds unknown weights, 12: trunk\.vit\.transformer"),
        ({"num_hidden_layers": 3}, r"lacks weights, 12: trunk\.vit\.transformer"),
    ],
)
def test_what_does_not_fit_is_one_line(folder, tmp_path, change, message):
    record = json.loads((folder / "config.json").read_text())
    record["vision_config"] |= change
    (tmp_path / "config.json").write_text(json.dumps(record))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match=message) as caught:
        load_folder(tmp_path)
    assert "\n" not in str(caught.value)
