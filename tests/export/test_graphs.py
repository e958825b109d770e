"""Graphs say what the models say that they are made of; tiny ones with random weights."""

import pytest
import torch
from exports import small_model
from torch.testing import assert_close

from ovdet.export.choice import graph_of
from ovdet.export.files import export
from ovdet.segmentors import PixelViews
from ovdet.structures import InputError, Sample, Vocabulary, batch_images

NAMES = Vocabulary.of(["cat", "a small zebra", "kite", "traffic light", "lamp"])
DETECTORS = [
    "base/models/two_stage_tiny",
    "methods/vild/vild_ensemble_tiny_stickers",  # two branches, their scores joined
    "methods/detic/detic_tiny_stickers",  # no background
    "methods/fvlm/fvlm_tiny_stickers",  # a frozen tower's pooling
    "methods/owlvit/owlvit_tiny_stickers",  # dense
]
PIXELS = "methods/lseg/lseg_tiny_stickers"


def load(config, **changes):
    model = small_model(config)
    for name, value in changes.items():
        setattr(model.detector, name, value)
    return model


def pictures():
    """Return samples of two sizes, neither a multiple of anything."""
    draw = torch.Generator().manual_seed(1)
    sizes = [(61, 90), (83, 70)]
    return [Sample(torch.rand(3, *s, generator=draw), i, "", s) for i, s in enumerate(sizes)]


@pytest.mark.parametrize("config", DETECTORS)
@torch.no_grad()
def test_a_detector_and_its_graph_find_the_same(config):
    model, samples = load(config), pictures()
    graph = graph_of(model)
    images = batch_images(samples, graph.stride)
    sizes = torch.tensor([sample.original_size for sample in samples])
    threshold = torch.tensor(0.02)
    found = graph(images, sizes, model.embed_text(NAMES), threshold)
    expected = model.detector.predict(samples, NAMES, threshold=0.02)
    assert len(found) == len(graph.outputs)
    for index, regions in enumerate(expected):
        boxes, scores, labels, _, *masks = (one[found[3] == index] for one in found)
        assert len(regions) == len(boxes) > 0
        assert_close(boxes, regions.boxes, atol=1e-4, rtol=1e-6)
        assert_close(scores, regions.scores, atol=1e-6, rtol=0)
        assert torch.equal(labels, regions.labels)
        for mask in masks:
            assert_close(mask, regions.masks, atol=1e-5, rtol=0)


@torch.no_grad()
def test_nothing_found_is_an_answer():
    model = load(DETECTORS[0])
    images, sizes = torch.zeros(1, 3, 64, 64), torch.tensor([[64, 64]])
    found = graph_of(model)(images, sizes, model.embed_text(NAMES), torch.tensor(1.0))
    assert [len(one) for one in found] == [0] * 5
    assert found[4].shape[1:] == (28, 28)


@torch.no_grad()
def test_a_segmentor_and_its_graph_name_the_same_pixels():
    model = load(PIXELS)
    graph = graph_of(model)
    side = 2 * graph.stride
    image = torch.rand(1, 3, side, 2 * side)
    labels, _ = graph(image, model.embed_text(NAMES))
    sample = Sample(image[0], 0, "", (side, 2 * side))
    assert (labels[0] == model.detector.segment([sample], NAMES)[0]).float().mean() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "form", "classes"),
    [
        *[(config, "onnx", None) for config in DETECTORS],
        (DETECTORS[0], "onnx", ["cat", "kite"]),
        (DETECTORS[0], "program", None),
        (DETECTORS[-1], "program", ["cat", "kite"]),
    ],
)
def test_files_say_what_the_models_say(config, form, classes, tmp_path):
    path = tmp_path / ("model.onnx" if form == "onnx" else "model.pt2")
    written = export(load(config), path, classes=classes, form=form)
    assert written.difference.close, written.difference.text


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("methods/ovdetr/ovdetr_tiny_stickers", "it is a QueryDetector, and only TwoStage"),
        ("methods/zegformer/zegformer_tiny_stickers", "it is a MaskSegmentor, and only"),
        ("methods/maskclip/maskclip_tiny_stickers", "looks at a picture in windows, at scales"),
        ("methods/glip/glip_tiny_stickers", "cannot be exported: it is a GroundingDetector"),
    ],
)
def test_what_cannot_be_exported_says_why(config, message):
    model = load(config)
    with pytest.raises(InputError, match=message):
        graph_of(model)


def test_a_fusion_needs_words():
    model = load(DETECTORS[-1], fusion=torch.nn.Identity())
    with pytest.raises(InputError, match="its fusion reads the words of the names"):
        graph_of(model)


def test_views_are_what_is_in_the_way():
    model = load(PIXELS)
    graph_of(model)
    object.__setattr__(model.detector.settings, "views", PixelViews(flip=True))
    with pytest.raises(InputError, match="or mirrored"):
        graph_of(model)
