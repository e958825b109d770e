import numpy as np
import pytest
import torch
from PIL import Image

from ovdet.structures import InputError, Text, Vocabulary


def test_one_in_one_out_list_in_list_out(model, scene):
    one = model.detect(scene, ["cat"])
    assert one.boxes.tolist() == [[10, 20, 30, 36]]
    assert isinstance(model.detect([scene], ["cat"]), list)
    assert len(model.detect((scene, scene), ["cat"])) == 2
    assert model.detect([], ["cat"]) == []


def test_boxes_come_back_in_px_of_the_picture(model, scene):
    """40 x 60 fills short = 40; at twice the size it is halved, and boxes come back doubled."""
    large = scene.repeat(2, axis=0).repeat(2, axis=1)
    found = model.detect(large, ["cat"])
    assert model.detector.seen[-1] == [(3, 40, 60)]
    assert np.abs(found.boxes - [[20, 40, 60, 72]]).max() <= 2
    wide = np.zeros((10, 200, 3), np.uint8)
    model.detect(wide, ["cat"])
    assert model.detector.seen[-1] == [(3, 4, 80)]


def test_masks_are_pasted_into_the_picture(model, scene):
    found = model.detect(scene, ["cat"])
    wanted = np.zeros((40, 60), bool)
    wanted[20:36, 10:20] = True
    assert (found.masks[0] == wanted).all()


def test_a_detector_without_masks(make_model, scene):
    found = make_model(masks=False).detect(scene, ["cat"])
    assert found.masks is None
    assert found.plot().shape[2] == 3


def test_labels_threshold_and_top_k(model, scene):
    names = [" Cat ", "cat", "日本"]
    found = model.detect(scene, names)
    assert found.labels == [" Cat ", "cat", "日本"]  # 0.9, 0.45 and 0.3 against 0.3
    assert found.scores.tolist() == pytest.approx([0.9, 0.45, 0.3])
    assert model.detect(scene, names, threshold=0.4).labels == [" Cat ", "cat"]
    assert model.detect(scene, names, top_k=1).labels == [" Cat "]
    assert model.detect(scene, Vocabulary(("a",), ids=(33,))).to_coco()[0]["category_id"] == 33


def test_batches_hold_what_was_asked_for(model, scene):
    results = model.detect([scene] * 5, ["cat"], batch_size=2)
    assert [len(batch) for batch in model.detector.seen] == [2, 2, 1]
    assert all(result.labels == ["cat"] for result in results)


def test_nothing_found(model, scene):
    found = model.detect(scene * 0, ["cat"])
    assert len(found) == 0
    assert found.masks.shape == (0, 40, 60)


def test_every_kind_of_picture(model, scene, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(scene).save(path)
    tensor = torch.from_numpy(scene).permute(2, 0, 1)
    sources = [path, str(path), Image.fromarray(scene), scene, scene / 255.0, tensor, tensor / 255]
    for source in sources:
        assert model.detect(source, ["cat"]).boxes.tolist() == [[10, 20, 30, 36]]
    assert model.detect(path, ["cat"]).file_name == str(path)
    assert model.detect(scene, ["cat"]).file_name == ""


def test_text_is_encoded_once(model, scene):
    names = [f"name {i}" for i in range(50)]
    model.detect(scene, names)
    model.detect(scene, names)
    assert model.detector.text.bank.encoded == 50


def test_embed_text(model):
    embeddings = model.embed_text(["cat", "red car"])
    assert embeddings.shape == (2, 8)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2))
    inner = model.detector.text.forward  # a slot may keep lengths, as for a FiLM
    model.detector.text.forward = lambda names: Text(3 * inner(names).classes)
    torch.testing.assert_close(model.embed_text(["cat", "red car"]), embeddings)


def test_the_detector_evaluates_without_gradients(model, scene):
    seen = {}
    original = model.detector.predict

    def predict(*args, **options):
        seen.update(training=model.detector.training, inference=torch.is_inference_mode_enabled())
        return original(*args, **options)

    model.detector.predict = predict
    model.detect(scene, ["cat"])
    assert seen == {"training": False, "inference": True}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], "at least one name"),
        ("cat", "must be a list of names, got 'cat'"),
        (None, "finds what it is asked for: give it classes"),
        (["cat", "dog", "cat"], "'cat' twice"),
        (["cat", "  "], "class 1 must not be blank"),
        (["cat", 3], "class 1 must be text, got int"),
        ([["cat"]], "class 0 must be text, got list"),
    ],
)
def test_bad_classes(model, scene, classes, message):
    with pytest.raises(InputError, match=message):
        model.detect(scene, classes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, r"threshold must lie in \[0, 1\], got 1.5"),
        ({"threshold": float("nan")}, "threshold must lie"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_bad_numbers(model, scene, options, message):
    with pytest.raises(InputError, match=message):
        model.detect(scene, ["cat"], **options)


def test_a_bad_picture_is_named_by_its_place_or_path(model, scene):
    with pytest.raises(InputError, match=r"image 1: must be \[H, W\]"):
        model.detect([scene, scene[0, 0]], ["cat"])
    with pytest.raises(InputError, match=r"no/such\.png: cannot be read"):
        model.detect([scene, "no/such.png"], ["cat"])


def test_the_model_moves(model):
    assert model.to("cpu") is model


def test_classes_may_be_a_published_vocabulary(model, scene):
    found = model.detect(scene, "@voc-20", threshold=0)
    assert found.vocabulary.names[:2] == ("aeroplane", "bicycle")
    assert model.embed_text("@voc-20").shape[0] == 20


@pytest.mark.parametrize(("size", "expected"), [((80, 120), (40, 60)), ((10, 200), (4, 80))])
def test_input_size_is_what_the_network_gets(make_model, size, expected):
    model = make_model()
    model.detect(np.zeros((*size, 3), np.uint8), ["cat"])
    assert model.detector.seen[-1] == [(3, *expected)]
    assert model.input_size(*size) == expected
    assert make_model(short=None).input_size(*size) == size
