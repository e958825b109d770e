"""OmDet-Turbo folders against transformers' forward and post-processing."""

import json

import numpy as np
import pytest
import torch
from transformers_folders import clip_tokenizer, write_omdet

import ovdet
from ovdet.adapters import load_folder
from ovdet.adapters.transformers.omdet import Tasks
from ovdet.apis.inputs import load_picture
from ovdet.structures import InputError, Sample, Vocabulary

NAMES = ["red car", "cat", "kite"]
QUERIES = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_omdet(tmp_path_factory.mktemp("omdet"))


@pytest.fixture(scope="module")
def theirs(folder):
    """Return what transformers says of a picture and names."""
    import transformers

    model = transformers.OmDetTurboForObjectDetection.from_pretrained(folder).eval()
    processor = transformers.OmDetTurboProcessor.from_pretrained(folder)

    @torch.no_grad()
    def ask(photo, names):
        inputs = processor(images=photo, text=names, return_tensors="pt")
        outputs = model(**{k: v for k, v in inputs.items() if k != "pixel_mask"})
        return outputs, processor.post_process_grounded_object_detection(
            outputs, [names], threshold=0.0, target_sizes=[photo.shape[:2]]
        )[0]

    return ask


@torch.no_grad()
def raw(detector, photo, names):
    """Return our boxes and probabilities of all queries."""
    sample = load_picture(photo).to_sample()
    from ovdet.adapters.transformers.pictures import same_sized

    _, inputs = next(same_sized(detector.processor, [sample], torch.device("cpu")))
    ((_, question),) = detector.questions(names)
    return detector.ask(detector.look(inputs), question)


def test_boxes_and_logits_are_theirs(folder, theirs, photos):
    detector = load_folder(folder)
    for photo in photos:
        outputs, _ = theirs(photo, NAMES)
        boxes, scores = raw(detector, photo, NAMES)
        centre, side = outputs.decoder_coord_logits.split(2, dim=-1)
        corners = torch.cat([centre - side / 2, centre + side / 2], dim=-1)
        torch.testing.assert_close(boxes, corners, atol=1e-4, rtol=0)
        logits = torch.logit(scores)
        torch.testing.assert_close(logits, outputs.decoder_class_logits, atol=1e-4, rtol=1e-4)
        assert logits.std() > 0.1
        assert boxes.std() > 0.01


def test_detections_are_those_of_their_post_processing(folder, theirs, photos):
    model = ovdet.load(folder, device="cpu")
    assert model.settings.threshold == 0.3
    for photo, found in zip(photos, model.detect(photos, NAMES, threshold=0.0), strict=True):
        _, rows = theirs(photo, NAMES)
        sides = rows["boxes"][:, 2:] - rows["boxes"][:, :2]
        inside = (sides > 0).all(dim=1)
        np.testing.assert_allclose(found.scores, rows["scores"][inside], atol=1e-4)
        np.testing.assert_allclose(found.boxes, rows["boxes"][inside], atol=1e-2)
        assert list(found.labels) == [
            name for name, kept in zip(rows["text_labels"], inside, strict=True) if kept
        ]
        assert len(found) > 2


def test_a_batch_is_its_pictures(folder, photos):
    model = ovdet.load(folder, device="cpu")
    for photo, result in zip(photos, model.detect(photos, NAMES, threshold=0.0), strict=True):
        alone = model.detect(photo, NAMES, threshold=0.0)
        assert alone.labels == result.labels
        np.testing.assert_allclose(alone.boxes, result.boxes, atol=1e-3)
        np.testing.assert_allclose(alone.scores, result.scores, atol=1e-5)


def test_long_vocabularies_are_tasks_of_the_alphabet(folder, theirs, photos):
    names = [f"{'kite' * 3} {letter}" for letter in "hgfedcba"]
    detector = load_folder(folder)
    parts = [words for _, words in detector.questions(names)]
    assert len(parts) > 1
    assert sorted(names) == [name for part in parts for name in part]
    model = ovdet.load(folder, device="cpu")
    found = model.detect(photos[0], names, threshold=0.0, top_k=1000)
    assert set(found.labels) <= set(names)
    expected = [theirs(photos[0], part)[1]["scores"] for part in parts]
    best = torch.cat(expected).sort(descending=True).values
    np.testing.assert_allclose(found.scores, best, atol=1e-4)
    turned = model.detect(photos[0], names[::-1], threshold=0.0, top_k=1000)
    np.testing.assert_array_equal(found.scores, turned.scores)
    assert found.labels == turned.labels


def test_text_is_encoded_once_and_pictures_once_for_all_tasks(folder, photos):
    model = ovdet.load(folder, device="cpu")
    names = [f"{'kite' * 3} {letter}" for letter in "abcdefgh"]
    tasks = len(model.detector.questions(names))
    seen = []
    backbone = model.detector.model.vision_backbone
    backbone.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    model.detect(photos, names)
    model.detect(photos[::-1], names[::-1])
    assert model.detector.encoded == len(names) + tasks
    assert sum(seen) == 2 * len(photos)


def test_what_is_kept_goes_with_the_weights(folder):
    text = load_folder(folder).model.language_backbone
    first = text.classes(["cat"])
    text.double()
    assert text.classes(["cat"]).dtype == torch.float64
    text.float()
    weights = {name: value * 2 for name, value in text.state_dict().items()}
    text.load_state_dict(weights)
    assert (text.classes(["cat"]) - first).abs().max() > 1e-3


def test_names_come_back_as_they_were_given(folder, photos):
    model = ovdet.load(folder, device="cpu")
    names = ["pottedplant", "Cats", "japanese_fruit", "St. Car", "cat kite"]
    found = model.detect(photos[0], names, threshold=0.0, top_k=1000)
    assert set(found.labels) <= set(names)
    assert tuple(found.vocabulary.names) == tuple(names)


def test_a_stored_picture_of_another_size(folder, photos):
    detector = load_folder(folder)
    image = torch.from_numpy(photos[0].transpose(2, 0, 1).copy()) / 255
    plain = Sample(image, 0, original_size=(60, 100))
    halved = Sample(image, 0, original_size=(120, 200), scale=(0.5, 0.5))
    one, other = detector.predict([plain, halved], Vocabulary.of(NAMES))
    torch.testing.assert_close(one.boxes * 2, other.boxes)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_runs(folder, photos, precision):
    model = ovdet.load(folder, device="cpu", precision=precision)
    result = model.detect(photos, NAMES, threshold=0.0)[0]
    exact = ovdet.load(folder, device="cpu").detect(photos[0], NAMES, threshold=0.0)
    assert np.isfinite(result.scores).all()
    assert result.scores[0] == pytest.approx(exact.scores[0], abs=0.1)


def test_no_picture_and_no_object(folder, photos):
    assert load_folder(folder).predict([], Vocabulary.of(NAMES)) == []
    assert len(ovdet.load(folder, device="cpu").detect(photos[0], NAMES, threshold=1.0)) == 0


def test_tasks_hold_as_many_names_as_fit():
    # "detect" is 6 letters, each name 1 token and its comma, the markers 2.
    tasks = Tasks(clip_tokenizer(), 12)
    assert tasks.cut(["cat", "red"]) == [[0, 1]]
    assert tasks.cut(["red", "cat", "cat"]) == [[1, 2], [0]]


def test_a_name_that_is_too_long(folder, photos):
    with pytest.raises(InputError, match=f"reads 77 tokens, class '{'x' * 80}' needs 89"):
        ovdet.load(folder, device="cpu").detect(photos[0], ["cat", "x" * 80])


def test_what_is_missing_is_one_line(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(InputError, match=r"must hold weights|cannot be read as OmDetTurbo"):
        load_folder(tmp_path)
    record = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(record | {"decoder_num_layers": 3}))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"it lacks weights, \d+: decoder\.decoder_bbox_head\.2"):
        load_folder(tmp_path)
