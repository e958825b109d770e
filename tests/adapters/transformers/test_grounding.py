"""Grounding DINO and MM-Grounding DINO folders against transformers' forward and post-processing.

A box of theirs has the score of its best token, be that a marker or a full stop; here those are
shut out first, because they name nothing.
"""

import json
import shutil

import numpy as np
import pytest
import torch

import ovdet
from ovdet.adapters import load_folder
from ovdet.structures import InputError, Sample, Vocabulary

NAMES = ["red car", "cat", "kite"]
KINDS = {"grounding-dino": "GroundingDino", "mm-grounding-dino": "MMGroundingDino"}
QUERIES = 12


@pytest.fixture(scope="module", params=list(KINDS))
def folder(request, tmp_path_factory, grounding):
    return grounding(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def theirs(folder):
    """Return what transformers says of a picture and names: rows (score, name, box)."""
    import transformers

    kind = KINDS[json.loads((folder / "config.json").read_text())["model_type"]]
    model = getattr(transformers, f"{kind}ForObjectDetection").from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    pictures = transformers.GroundingDinoImageProcessor.from_pretrained(folder)
    processor = transformers.GroundingDinoProcessor(pictures, tokenizer)

    @torch.no_grad()
    def ask(photo, names):
        inputs = processor(images=photo, text=[names], return_tensors="pt")
        outputs = model(**inputs)
        owners = owners_of_tokens(tokenizer, names, len(inputs["input_ids"][0]))
        nobody = [place for place, owner in enumerate(owners) if owner is None]
        outputs.logits[..., nobody] = -torch.inf
        best = outputs.logits[0].argmax(dim=-1).tolist()
        size = torch.tensor([photo.shape[:2]])
        found = processor.post_process_grounded_object_detection(outputs, None, 0.0, 0.0, size)[0]
        limit = torch.tensor([photo.shape[1], photo.shape[0]] * 2)
        boxes = found["boxes"].clamp(min=0).minimum(limit)
        rows = zip(found["scores"].tolist(), best, boxes.numpy(), strict=True)
        return [(score, names[owners[place]], box) for score, place, box in rows]

    return ask


def owners_of_tokens(tokenizer, names, count):
    """Find the name of each token by the characters it covers."""
    text = ". ".join(names) + "."
    owners = [None] * count
    start = 0
    for row, name in enumerate(names):
        for place in range(start, start + len(name)):
            token = tokenizer(text).char_to_token(place)
            if token is not None:
                owners[token] = row
        start += len(name) + 2
    return owners


def holds(result, row):
    score, label, box = row
    near = np.abs(result.scores - score) < 1e-4
    near &= (np.abs(result.boxes - box) < 1e-2).all(axis=1)  # px of 100: 1e-4
    return any(near & (np.array(result.labels) == label))


def test_boxes_scores_and_labels_are_theirs(folder, theirs, photos):
    model = ovdet.load(folder, device="cpu")
    results = model.detect(photos, NAMES, threshold=0.0, top_k=1000)
    for photo, result in zip(photos, results, strict=True):
        rows = theirs(photo, NAMES)
        assert len(rows) == QUERIES
        assert 0 < len(result) <= QUERIES * len(NAMES)
        inside = [row for row in rows if (row[2][2:] > row[2][:2]).all()]
        assert all(holds(result, row) for row in inside)
        assert np.ptp(result.scores) > 1e-3


def test_the_order_of_names_changes_nothing(folder, photos):
    model = ovdet.load(folder, device="cpu")
    first = model.detect(photos[0], NAMES, threshold=0.0)
    other = model.detect(photos[0], NAMES[::-1], threshold=0.0)
    assert first.labels == other.labels
    np.testing.assert_array_equal(first.scores, other.scores)
    np.testing.assert_array_equal(first.boxes, other.boxes)


def test_long_vocabularies_are_asked_in_texts_of_the_alphabet(folder, theirs, photos):
    names = [f"kite {letter}" for letter in "hgfedcbajik"]  # 3 tokens each with its stop
    model = ovdet.load(folder, device="cpu")
    result = model.detect(photos[0], names, threshold=0.0, top_k=1000)
    ordered = sorted(names)
    for part in (ordered[:7], ordered[7:]):  # 2 markers and 7 * 3 tokens fill 24
        inside = [r for r in theirs(photos[0], part) if (r[2][2:] > r[2][:2]).all()]
        assert inside
        assert all(holds(result, row) for row in inside)
    assert set(result.labels) == set(names)
    turned = model.detect(photos[0], names[::-1], threshold=0.0, top_k=1000)
    np.testing.assert_array_equal(result.scores, turned.scores)


def test_text_is_encoded_once_and_pictures_once_for_all_texts(folder, photos):
    model = ovdet.load(folder, device="cpu")
    names = [f"kite {letter}" for letter in "abcdefghijk"]
    seen = []
    kept = model.detector.model.model.backbone.conv_encoder
    kept.encoder.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    model.detect(photos, names)
    model.detect(photos[::-1], names[::-1])
    assert model.detector.encoded == 2
    assert sum(seen) == 2 * len(photos)


def test_a_batch_is_its_pictures(folder, photos):
    model = ovdet.load(folder, device="cpu")
    many = [*photos, photos[0][:, ::-1].copy()]
    for photo, result in zip(many, model.detect(many, NAMES, threshold=0.0), strict=True):
        alone = model.detect(photo, NAMES, threshold=0.0)
        assert alone.labels == result.labels
        np.testing.assert_allclose(alone.boxes, result.boxes, atol=1e-3)
        np.testing.assert_allclose(alone.scores, result.scores, atol=1e-5)


def test_names_come_back_as_they_were_given(folder, photos):
    model = ovdet.load(folder, device="cpu")
    names = ["pottedplant", "Cats", "cats", "japanese_fruit", "cat kite", "St. Car", "日本"]
    found = model.detect(photos[0], names, threshold=0.0, top_k=1000)
    assert set(found.labels) == set(names)


def test_a_stored_picture_of_another_size(folder, photos):
    """The network input is half the stored picture: boxes are in px of the stored one."""
    detector = load_folder(folder)
    image = torch.from_numpy(photos[0].transpose(2, 0, 1).copy()) / 255
    plain = Sample(image, 0, original_size=(60, 100))
    halved = Sample(image, 0, original_size=(120, 200), scale=(0.5, 0.5))
    one, other = detector.predict([plain, halved], Vocabulary.of(NAMES))
    torch.testing.assert_close(one.boxes * 2, other.boxes)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_runs(folder, photos, precision):
    model = ovdet.load(folder, device="cpu", precision=precision)
    result = model.detect(photos[0], NAMES, threshold=0.0)
    exact = ovdet.load(folder, device="cpu").detect(photos[0], NAMES, threshold=0.0)
    assert np.isfinite(result.scores).all()
    assert result.scores[0] == pytest.approx(exact.scores[0], abs=0.1)


def test_no_picture_and_no_object(folder, photos):
    assert load_folder(folder).predict([], Vocabulary.of(NAMES)) == []
    assert len(ovdet.load(folder, device="cpu").detect(photos[0], NAMES, threshold=1.0)) == 0


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cat", "..."], r"class '\.\.\.' has no word"),
        (["cat", "x" * 22], f"the text tower reads 24 tokens, class '{'x' * 22}' needs 25"),
    ],
)
def test_names_that_cannot_be_asked(folder, photos, names, message):
    with pytest.raises(InputError, match=message):
        ovdet.load(folder, device="cpu").detect(photos[0], names)


def test_it_has_no_vectors_of_names(folder):
    with pytest.raises(InputError, match="reads names beside a picture"):
        ovdet.load(folder, device="cpu").embed_text(["cat"])


def test_what_is_missing_is_one_line(folder, tmp_path):
    for file in ("config.json", "model.safetensors"):
        shutil.copy(folder / file, tmp_path)
    with pytest.raises(InputError, match=r"its tokenizer, tokenizer\.json or vocab\.txt") as caught:
        load_folder(tmp_path)
    assert "\n" not in str(caught.value)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    record = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(record | {"encoder_layers": 3}))
    with pytest.raises(InputError, match=r"it lacks weights, \d+: model\.encoder\.layers\.2"):
        load_folder(tmp_path)
