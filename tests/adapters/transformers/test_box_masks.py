"""SAM, SAM 2 and SAM 3's tracker against transformers' own forward and post-processing."""

import pytest
import torch
from transformers_masks import DRAWERS

import ovdet
from ovdet.adapters import load_folder
from ovdet.adapters.transformers.box_masks import BoxMasks
from ovdet.apis.inputs import load_picture
from ovdet.structures import InputError, Sample

BOXES = [[5.0, 5.0, 30.0, 18.0], [0.0, 2.0, 18.0, 15.0], [3.5, 1.0, 10.0, 19.0]]
CLASSES = {
    "sam": ("SamModel", "SamProcessor", "SamImageProcessor"),
    "sam2": ("Sam2Model", "Sam2Processor", "Sam2ImageProcessor"),
    "sam2_video": ("Sam2Model", "Sam2Processor", "Sam2ImageProcessor"),
    "sam3_tracker": ("Sam3TrackerModel", "Sam3TrackerProcessor", "Sam3ImageProcessor"),
    "sam3_video": ("Sam3TrackerModel", "Sam3TrackerProcessor", "Sam3ImageProcessor"),
}


@pytest.fixture(scope="module", params=list(DRAWERS))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    return DRAWERS[kind](tmp_path_factory.mktemp(kind))


@pytest.fixture(scope="module")
def theirs(kind, folder):
    """Return what transformers draws: mask logits [R, h, w] and masks [R, H, W]."""
    import transformers

    model, processor, pictures = (getattr(transformers, name) for name in CLASSES[kind])
    loaded = model.from_pretrained(folder).eval()
    process = processor(pictures.from_pretrained(folder))

    @torch.no_grad()
    def draw(photo, boxes):
        inputs = process(images=photo, input_boxes=[boxes], return_tensors="pt")
        asked = {key: inputs[key] for key in ("pixel_values", "input_boxes")}
        asked["input_boxes"] = asked["input_boxes"].float()
        logits = loaded(**asked, multimask_output=False).pred_masks
        sizes = [inputs["original_sizes"]]
        if "reshaped_input_sizes" in inputs:
            sizes.append(inputs["reshaped_input_sizes"])
        return logits[0, :, 0], process.post_process_masks(logits, *sizes)[0][:, 0]

    return draw


@torch.no_grad()
def test_logits_are_theirs(folder, theirs, photos):
    masks = load_folder(folder)
    for photo in photos:
        sample = load_picture(photo).to_sample()
        found = masks.ask(masks.look(sample.image), torch.tensor(BOXES))
        wanted, _ = theirs(photo, BOXES)
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
        assert found.std() > 1e-2


def test_masks_are_theirs_at_the_size_of_the_picture(folder, theirs, photos):
    masks = load_folder(folder)
    for photo in photos:
        found = masks(load_picture(photo).to_sample(), torch.tensor(BOXES))
        _, wanted = theirs(photo, BOXES)
        assert found.dtype == torch.bool
        assert found.shape == (3, *photo.shape[:2])
        assert (found == wanted).float().mean() > 0.999  # logits of 0 to 1e-4


def test_few_at_a_time_is_all_at_once_and_a_picture_is_encoded_once(folder, photos):
    masks = load_folder(folder)
    sample, boxes = load_picture(photos[0]).to_sample(), torch.tensor(BOXES * 4)
    whole = masks(sample, boxes)
    assert masks.encoded == 1
    masks.chunk = 5
    asked = []
    masks.model.mask_decoder.register_forward_hook(lambda *_: asked.append(1))
    assert (masks(sample, boxes) == whole).float().mean() > 0.999
    assert len(asked) == 3
    assert masks.encoded == 2


def test_no_box_costs_nothing(folder, photos):
    masks = load_folder(folder)
    found = masks(load_picture(photos[1]).to_sample(), torch.zeros(0, 4))
    assert found.shape == (0, *photos[1].shape[:2])
    assert masks.encoded == 0


def test_a_stored_picture_of_another_size(folder, photos):
    """The sample is half the stored picture: boxes and masks are of the stored one."""
    masks = load_folder(folder)
    image = load_picture(photos[0]).to_sample().image
    plain = masks(Sample(image, 0, original_size=(60, 100)), torch.tensor(BOXES))
    halved = Sample(image, 0, original_size=(120, 200), scale=(0.5, 0.5))
    double = masks(halved, torch.tensor(BOXES) * 2)
    assert double.shape == (3, 120, 200)
    assert (double[:, ::2, ::2] == plain).float().mean() > 0.9


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near(folder, photos, precision):
    masks = load_folder(folder)
    sample, boxes = load_picture(photos[0]).to_sample(), torch.tensor(BOXES)
    exact = masks(sample, boxes)
    with torch.autocast("cpu", precision):
        assert (masks(sample, boxes) == exact).float().mean() > 0.8


def test_attention_is_torch_s_own(folder):
    masks = load_folder(folder)
    assert isinstance(masks, BoxMasks)
    assert masks.model.config._attn_implementation == "sdpa"


def test_alone_it_is_half_a_pair(folder):
    with pytest.raises(InputError, match=r"one half of a pair: .*DETECTOR\+FOLDER") as caught:
        ovdet.load(folder, device="cpu")
    assert "\n" not in str(caught.value)
