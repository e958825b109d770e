import numpy as np
import pytest
import torch
from colours import AREAS, CONFIG, NAMES, STEP, ColourSegmentor, flag
from PIL import Image
from safetensors.torch import save_file

import ovdet
from ovdet.apis import PanopticResult, Result, SemanticResult
from ovdet.apis.model import Model, Settings
from ovdet.structures import InputError, Vocabulary

PIXELS, LABELS = flag()


def make(short=12, **options):
    settings = Settings(short=short, max=100, threshold=0.3)
    return Model(ColourSegmentor(**options), settings, torch.device("cpu"), "colours")


@pytest.fixture
def segmentor():
    return make()


@pytest.fixture
def load(tmp_path):
    """Return a function that loads the segmentor of a config and a checkpoint."""

    def load(task="semantic"):
        config, weights = tmp_path / "colours.py", tmp_path / "colours.safetensors"
        config.write_text(CONFIG.format(task=task))
        save_file(ColourSegmentor().state_dict(), weights)
        return ovdet.load(config, checkpoint=weights, device="cpu", cache_dir=tmp_path / "cache")

    return load


def test_semantic(segmentor):
    found = segmentor.segment(PIXELS, NAMES, "semantic")
    assert isinstance(found, SemanticResult)
    assert (found.labels == LABELS).all()
    assert found.vocabulary.names == NAMES
    assert found.areas.tolist() == list(AREAS)


def test_panoptic(segmentor):
    found = segmentor.segment(PIXELS, NAMES, "panoptic")
    assert isinstance(found, PanopticResult)
    assert (found.ids == np.where(LABELS < 0, 0, 1 + STEP * LABELS)).all()
    assert [(s.label, s.area) for s in found] == [(" red", 105), ("blue", 94), ("green", 25)]


def test_panoptic_says_what_is_countable(segmentor):
    assert segmentor.segment(PIXELS, NAMES, "panoptic").things == ()
    segmentor.detector.things = lambda vocabulary: tuple(n == "blue" for n in vocabulary.names)
    assert segmentor.segment(PIXELS, NAMES, "panoptic").things == (False, True, False, False)


@pytest.mark.parametrize("box_masks", [False, True])
def test_instances(box_masks):
    """Masks over the picture come back as they are, masks over the box are pasted into it."""
    found = make(box_masks=box_masks).segment(PIXELS, NAMES, "instance", threshold=0.1)
    assert isinstance(found, Result)
    assert found.labels == [" red", "blue", "green"]
    assert found.scores.tolist() == pytest.approx([0.8, 0.4, 0.2])
    assert found.boxes[2].tolist() == [4, 3, 9, 8]
    assert (found.masks[2] == (LABELS == 2)).all()
    assert found.masks[0].sum() == (120 if box_masks else AREAS[0])


def test_threshold_and_top_k_are_for_instances(segmentor):
    assert segmentor.segment(PIXELS, NAMES, "instance").labels == [" red", "blue"]  # 0.3
    assert segmentor.segment(PIXELS, NAMES, "instance", top_k=1).labels == [" red"]
    for options in ({"threshold": 0.5}, {"top_k": 3}):
        with pytest.raises(InputError, match="are of the task instance, got them for semantic"):
            segmentor.segment(PIXELS, NAMES, "semantic", **options)
    with pytest.raises(InputError, match=r"threshold must lie in \[0, 1\], got 2"):
        segmentor.segment(PIXELS, NAMES, "instance", threshold=2)
    with pytest.raises(InputError, match="top_k must be at least 1, got 0"):
        segmentor.segment(PIXELS, NAMES, "instance", top_k=0)


def test_results_are_in_px_of_the_picture():
    """The network sees half of it; edges of the flag lie on even px, so nothing is blurred."""
    large = PIXELS.repeat(4, axis=0).repeat(4, axis=1)
    model = make(short=24)
    found = model.segment(large, NAMES, "semantic")
    assert model.detector.seen == [[(3, 24, 40)]]
    wanted = LABELS.repeat(4, axis=0).repeat(4, axis=1)
    assert found.labels.shape == (48, 80)
    assert (found.labels == wanted).mean() > 0.97
    assert model.segment(large, NAMES, "panoptic").ids.shape == (48, 80)


def test_lists_come_back_as_lists_in_batches(segmentor, tmp_path):
    path = tmp_path / "flag.png"
    Image.fromarray(PIXELS).save(path)
    found = segmentor.segment([path, PIXELS, PIXELS[:, :8]], NAMES, "semantic", batch_size=2)
    assert [len(batch) for batch in segmentor.detector.seen] == [2, 1]
    assert [one.file_name for one in found] == [str(path), "", ""]
    assert (found[2].labels == LABELS[:, :8]).all()
    assert segmentor.segment([], NAMES) == []
    with pytest.raises(InputError, match="batch_size must be at least 1, got 0"):
        segmentor.segment([], NAMES, batch_size=0)


def test_one_class_and_another_vocabulary(segmentor):
    assert (segmentor.segment(PIXELS, ["green"]).labels == np.where(LABELS == 2, 0, -1)).all()
    assert (segmentor.segment(PIXELS, ["nothing"], "semantic").labels == -1).all()
    assert len(segmentor.segment(PIXELS, ["nothing"], "panoptic")) == 0
    assert len(segmentor.segment(PIXELS, ["nothing"], "instance")) == 0
    swapped = segmentor.segment(PIXELS, Vocabulary(("green", "blue"), ids=(7, 3)), "panoptic")
    assert [record["category_id"] for record in swapped.to_coco()] == [3, 7]


def test_a_config_says_what_the_model_is_made_for(load):
    for task, kind in (("semantic", SemanticResult), ("panoptic", PanopticResult)):
        model = load(task)
        assert model.task == task
        assert model.settings.short == 12
        assert isinstance(model.segment(PIXELS, NAMES), kind)
    assert isinstance(model.to("cpu").segment(PIXELS, NAMES, "instance"), Result)


def test_the_segmentor_evaluates_without_gradients(segmentor):
    assert not segmentor.detector.training
    seen = []
    original = segmentor.detector.segment
    segmentor.detector.segment = lambda *args: (
        seen.append(torch.is_inference_mode_enabled()) or original(*args)
    )
    segmentor.segment(PIXELS, NAMES)
    assert seen == [True]


def test_a_detector_gives_its_masks(model, make_model, scene):
    found = model.segment(scene, ["cat", "dog"], "instance", threshold=0.5)
    assert found.labels == ["cat"]
    assert found.masks[0].sum() == 16 * 10  # the left half of the box
    assert model.segment(scene, ["cat"]).labels == ["cat"]
    assert model.task == "detect"
    with pytest.raises(InputError, match=r"boxes without masks: ask it with detect\(\)"):
        make_model(masks=False).segment(scene, ["cat"], "instance")


@pytest.mark.parametrize("task", ["semantic", "panoptic", "pixels"])
def test_a_detector_says_what_it_can(model, scene, task):
    message = f"stub is a detector and can be asked for instance, got '{task}'"
    with pytest.raises(InputError, match=message):
        model.segment(scene, ["cat"], task)


def test_a_segmentor_says_what_it_can(segmentor):
    message = "colours can be asked for semantic, instance, panoptic, got 'pixels'"
    with pytest.raises(InputError, match=message):
        segmentor.segment(PIXELS, NAMES, "pixels")
    with pytest.raises(InputError, match=r"a segmentor: ask it with segment\(\), not detect\(\)"):
        segmentor.detect(PIXELS, NAMES)
    with pytest.raises(InputError, match="classes must hold at least one name"):
        segmentor.segment(PIXELS, [])
    with pytest.raises(InputError, match="image 1: must be"):
        segmentor.segment([PIXELS, PIXELS[0, 0]], NAMES)


def test_a_wrong_map_is_told(segmentor):
    segmentor.detector.segment = lambda *_: [torch.zeros(3, 4, dtype=torch.int64)]
    with pytest.raises(InputError, match=r"labels must be \[12, 20\] as the picture, got \[3, 4\]"):
        segmentor.segment(PIXELS, NAMES)
