"""CLIPSeg: against transformers on the same weights, and what its images are asked by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from contracts import ASKED, LEARNT, sample
from safetensors.torch import save_file
from torchvision.transforms.functional import gaussian_blur

from ovdet.losses import PixelBinaryCrossEntropy
from ovdet.methods.clipseg import (
    ClipsegDecoder,
    ClipsegExamples,
    ClipsegPrompts,
    ClipsegText,
    ClipsegView,
    load_published,
    rename_published,
    with_length,
)
from ovdet.ops import unit_norm
from ovdet.segmentors import OnePixelName, PixelAnswers, PixelSegmentor, PixelSettings
from ovdet.structures import IGNORED, Flow, InputError, Sample, Text, Vocabulary
from ovdet.text import TinyTextTransformer, TransformersText
from ovdet.vision import ClipVit, ClipVitShape, PixelNorm, SmallVit, VitTaps
from ovdet.vision.pixels import IMAGENET_MEAN, IMAGENET_STD

SIDE, PATCH, DIM = 64, 16, 24
WORDS = ["cat", "a red car", "kite"]
TEXT = {
    "vocab_size": 49408,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 16,
}


def published(*, refined):
    """Return a random model of transformers, small, trained on pictures of 32 px."""
    import transformers

    vision = {
        "hidden_size": 48,
        "intermediate_size": 192,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": PATCH,
    }
    config = transformers.CLIPSegConfig(
        text_config=TEXT,
        vision_config=vision,
        projection_dim=DIM,
        reduce_dim=16,
        extract_layers=[0, 1, 2],
        decoder_num_attention_heads=4,
        decoder_intermediate_size=40,
        use_complex_transposed_convolution=refined,
    )
    torch.manual_seed(0)
    model = transformers.CLIPSegForImageSegmentation(config).eval()
    with torch.no_grad():  # their own spread is too small to tell a wrong layer from a right one
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def ours(*, refined=False):
    shape = ClipVitShape(patch=PATCH, width=48, layers=4, heads=4, dim=DIM, grid=2)
    pixels = PixelNorm(IMAGENET_MEAN, IMAGENET_STD)
    encoder = TransformersText(config={**TEXT, "projection_dim": DIM, "hidden_act": "quick_gelu"})
    trunk = VitTaps(ClipVit(shape), (0, 1, 2), frozen=True, pixels=pixels)
    return PixelSegmentor(
        trunk=trunk,
        text=ClipsegText(encoder),
        head=ClipsegDecoder(
            trunk.widths, DIM, patch=PATCH, width=16, heads=4, hidden=40, refined=refined
        ),
    ).eval()


@pytest.mark.parametrize("refined", [False, True])
@torch.no_grad()
def test_agrees_with_transformers(refined, tmp_path):
    theirs = published(refined=refined)
    weights = {name: value.contiguous() for name, value in theirs.state_dict().items()}
    save_file(weights, tmp_path / "w.safetensors")
    segmentor = load_published(ours(refined=refined), str(tmp_path / "w.safetensors"))
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    centred = segmentor.trunk.vit.pixels(images)
    ids = segmentor.text.encoder.tokenizer(WORDS)
    named = segmentor.look(images, segmentor.text(Vocabulary.of(WORDS)))
    pictures = torch.rand(3, 3, 48, 48)
    shown = segmentor.look(images, Text(classes=segmentor.trunk.embed(pictures)))
    for row, image in enumerate(centred):
        query = image.expand(3, -1, -1, -1)
        expected = theirs(input_ids=ids, pixel_values=query).logits
        torch.testing.assert_close(named[row], expected, atol=1e-4, rtol=1e-4)
        expected = theirs(
            pixel_values=query, conditional_pixel_values=segmentor.trunk.vit.pixels(pictures)
        ).logits
        torch.testing.assert_close(shown[row], expected, atol=1e-4, rtol=1e-4)
    assert named.std() > 0.01
    assert (named[0, 0] - named[0, 1]).abs().max() > 1e-3
    assert (shown - named).abs().max() > 1e-3


def test_what_is_not_theirs_is_told(tmp_path):
    with pytest.raises(InputError, match=r"'backbone\.conv' is no weight of"):
        rename_published({"backbone.conv": torch.zeros(1)})
    name = "decoder.layers.0.self_attn.q_proj.weight"
    with pytest.raises(InputError, match=r"needs weights for q, k and v, got \['q'\]"):
        rename_published({name: torch.zeros(1, 1)})
    theirs = published(refined=False).state_dict()
    lacking = {k: v.contiguous() for k, v in theirs.items() if "film_mul" not in k}
    save_file(lacking, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"holds another segmentor: .*head\.gain"):
        load_published(ours(), str(tmp_path / "w.safetensors"))


# The decoder.


def decoder(**options):
    torch.manual_seed(0)
    return ClipsegDecoder((6, 6), 5, patch=4, width=8, heads=2, hidden=12, **options).eval()


def levels(batch=2, grid=(2, 3)):
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(batch, 6, *grid, generator=generator) for _ in range(2)]
    return [*maps, *(torch.randn(batch, 6, 1, 1, generator=generator) for _ in range(2))]


def test_the_decoder_by_hand():
    made, seen = decoder(), levels()
    condition = torch.randn(3, 5)
    found = made(seen, Text(classes=condition), torch.zeros(2, 3, 8, 12))
    shallow, deep, shallow_first, deep_first = (level[1].flatten(1).T for level in seen)
    tokens = made.reduces[0](torch.cat([deep_first, deep]))  # [1 + 6, d], the deepest first
    tokens = made.gain(condition[2]) * tokens + made.shift(condition[2])
    tokens = made.blocks[0](tokens[None])[0]
    tokens = tokens + made.reduces[1](torch.cat([shallow_first, shallow]))
    tokens = made.blocks[1](tokens[None])[0]
    expected = made.draw(tokens[1:].T.reshape(1, 8, 2, 3))[0, 0]
    assert found.shape == (2, 3, 8, 12)
    torch.testing.assert_close(found[1, 2], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_only_what_is_asked_is_decoded():
    made, seen = decoder(), levels()
    conditions = torch.randn(3, 5)
    every = made(seen, Text(classes=conditions), torch.zeros(2, 3, 8, 12))
    asked = torch.tensor([[False, True, False], [False, False, False]])
    few = made(seen, Text(classes=conditions, asked=asked), torch.zeros(2, 3, 8, 12))
    torch.testing.assert_close(few[0, 1], every[0, 1])
    assert few.abs().sum(dim=(2, 3)).gt(0).tolist() == asked.tolist()
    none = made(seen, Text(classes=conditions, asked=asked & False), torch.zeros(2, 3, 8, 12))
    assert none.shape == every.shape
    assert not none.any()


@torch.no_grad()
def test_many_names_are_the_same_as_one_at_a_time():
    made, seen = decoder(), levels()
    conditions = torch.randn(20, 5)  # 40 pairs: three runs of the decoder
    every = made(seen, Text(classes=conditions), torch.zeros(2, 3, 8, 12))
    single = made(seen, Text(classes=conditions[17:18]), torch.zeros(2, 3, 8, 12))
    torch.testing.assert_close(every[:, 17:18], single, atol=1e-5, rtol=1e-4)


def test_a_refined_decoder_draws_the_patches_too():
    assert decoder(refined=True)(levels(), Text(torch.randn(1, 5)), None).shape == (2, 1, 8, 12)
    with pytest.raises(ValueError, match="multiple of 4 px, got 6"):
        ClipsegDecoder((6,), 5, patch=6, refined=True)


# Names, pictures, blends.


def text_slot(**options):
    torch.manual_seed(0)
    encoder = TinyTextTransformer(dim=5, width=16, layers=1, embed_width=8)
    return ClipsegText(encoder, **options)


def test_names_keep_the_length_the_tower_gives_them():
    slot = text_slot().eval()
    names = Vocabulary.of(["cat", "red_car"])
    ids = slot.encoder.tokenizer(["cat", "red car"])
    ends = (ids != 0).sum(dim=1) - 1
    with torch.no_grad():
        expected = slot.encoder.read(slot.encoder.embed_ids(ids), ends)
    torch.testing.assert_close(slot(names).classes, expected, atol=1e-5, rtol=1e-4)
    lengthened = text_slot(length=3.0).eval()(names).classes
    torch.testing.assert_close(lengthened, 3 * unit_norm(expected), atol=1e-5, rtol=1e-4)


def test_templates_are_drawn_while_it_learns():
    slot = text_slot(templates=["{}"], learnt=["a {}", "one {}"])
    expected = {text: slot.eval().encode_words([text])[0] for text in ("cat", "a cat", "one cat")}
    torch.testing.assert_close(slot.encode_words(["cat"])[0], expected["cat"])
    slot.train()
    assert not slot.encoder.training
    torch.manual_seed(0)
    drawn = slot.encode_words(["cat"] * 20)
    near = torch.cdist(drawn, torch.stack([expected["a cat"], expected["one cat"]]))
    assert near.min(dim=1).values.max() < 1e-5
    assert near.argmin(dim=1).unique().tolist() == [0, 1]
    with pytest.raises(InputError, match="templates must be one, got 7"):
        text_slot(templates="clip7")


def test_what_is_known_of_other_weights_is_forgotten():
    slot = text_slot().eval()
    before = slot.encode_words(["cat"])
    with torch.no_grad():
        for parameter in slot.encoder.parameters():
            parameter.mul_(2)
    assert not torch.allclose(slot.encode_words(["cat"]), before)


def test_a_picture_points_at_its_mask():
    torch.manual_seed(0)
    image = torch.rand(3, 40, 60)
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[10:20, 20:40] = True  # 10 x 20, margins of 1 and 2
    view = ClipsegView(size=24, context=0.1, blur=15, darken=0.1)
    shown = view.show(image, mask)
    dim = 0.1 * gaussian_blur(image, [15, 15], [3.0, 3.0])
    lit = torch.where(mask, image, dim)[:, 9:21, 18:42]  # 12 x 24
    expected = torch.zeros(3, 24, 24)
    expected[:, 6:18] = lit
    torch.testing.assert_close(shown, expected)
    assert ClipsegView(size=7).show(image, mask).shape == (3, 7, 7)
    assert view.fits(mask)
    assert not view.fits(torch.zeros(40, 60, dtype=torch.bool))
    assert not ClipsegView(least=0.5).fits(mask)


def test_views_must_make_sense():
    with pytest.raises(ValueError, match="blur odd, got 352, 4"):
        ClipsegView(blur=4)
    with pytest.raises(ValueError, match=r"darken <= 1, got 0\.1, 2"):
        ClipsegView(darken=2)


def asked_flow(labels, asked):
    torch.manual_seed(0)
    text = Text(classes=torch.randn(2, 5), asked=torch.tensor(asked))
    flow = Flow(torch.rand(len(labels), 3, 16, 16), [], Vocabulary.of(["cat", "dog"]), text)
    flow.encode_images = lambda pictures: pictures.mean(dim=(2, 3)) @ torch.ones(3, 5)
    return flow


def test_a_blend_asks_with_pictures_of_earlier_batches():
    labels = torch.full((2, 16, 16), IGNORED)
    labels[0, :8], labels[1, 8:] = 0, 1
    asked = [[True, False], [True, False]]  # the second image has no cat
    view = ClipsegView(size=8)
    prompts = ClipsegPrompts(view, low=0.25, high=0.25, length=2.0)
    flow = asked_flow(labels, asked)
    first = prompts(labels, flow)
    assert first.tokens.shape == (2, 2, 1, 5)
    torch.testing.assert_close(first.tokens[:, :, 0], flow.text.classes.expand(2, 2, 5))
    picture = flow.encode_images(view.show(flow.images[0], labels[0] == 0)[None])
    again = prompts(labels, flow)
    expected = 0.25 * flow.text.classes[0] + 0.75 * with_length(picture[0], 2.0)
    for image in (0, 1):
        torch.testing.assert_close(again.tokens[image, 0, 0], expected)
    torch.testing.assert_close(again.tokens[0, 1, 0], flow.text.classes[1])
    assert torch.equal(again.asked, flow.text.asked)


def test_prompts_need_what_they_blend():
    labels = torch.zeros(1, 16, 16, dtype=torch.int64)
    flow = asked_flow(labels, [[True, False]])
    flow.encode_images = None
    with pytest.raises(InputError, match="a trunk with 'embed'"):
        ClipsegPrompts()(labels, flow)
    with pytest.raises(ValueError, match="low <= high"):
        ClipsegPrompts(low=0.6)


class Shown:
    """Four pictures: cats, cat and dog, tiny dog, dog."""

    vocabulary = Vocabulary.of(["dog", "cat", "kite"])

    def __init__(self):
        self.maps = np.full((4, 16, 16), IGNORED)
        self.maps[0] = 1
        self.maps[1, :8], self.maps[1, 8:] = 1, 0
        self.maps[2, 0, 0] = 0
        self.maps[3, :4] = 0

    def __len__(self):
        return 4

    def labels(self, index):
        return self.maps[index]

    def stored(self, index):
        torch.manual_seed(index)
        return Sample(torch.rand(3, 16, 16), index)


def mean_colour(pictures):
    return pictures.mean(dim=(2, 3))


def test_examples_take_the_place_of_names():
    shown, view = Shown(), ClipsegView(size=8, least=0.01)
    examples = ClipsegExamples(shown, view, shots=2, length=1.0)
    found = examples(mean_colour, Vocabulary.of(["cat", "dog"]))
    pictures = {"cat": (0, 1), "dog": (1, 3)}  # whatever the order: two of each are large enough
    for row, (name, indices) in zip(found, pictures.items(), strict=True):
        label = shown.vocabulary.names.index(name)
        masks = [torch.from_numpy(shown.maps[i] == label) for i in indices]
        views = [view.show(shown.stored(i).image, m) for i, m in zip(indices, masks, strict=True)]
        torch.testing.assert_close(row, unit_norm(mean_colour(torch.stack(views))).mean(dim=0))
    with pytest.raises(InputError, match="'kite' is shown 0 times"):
        examples(mean_colour, Vocabulary.of(["kite"]))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        ClipsegExamples(shown, shots=0)


# The whole segmentor.


def whole(**settings):
    torch.manual_seed(0)
    vit = SmallVit(dim=5, width=16, layers=3, heads=2, stem=(4, 4), grid=4)
    trunk = VitTaps(vit, (0, 1), frozen=True)
    return PixelSegmentor(
        trunk=trunk,
        text=text_slot(length=3.0),
        head=ClipsegDecoder(trunk.widths, 5, patch=8, width=8, heads=2, hidden=12, dropout=0.0),
        criterion=PixelBinaryCrossEntropy(),
        settings=PixelSettings(names=OnePixelName(negatives=0.0), **settings),
    )


def labelled(index):
    made = sample(None, index)
    made.semantic = torch.full((64, 64), IGNORED)
    made.semantic[:32], made.semantic[32:48] = index, 2  # LEARNT's third class is novel
    return made


def test_the_loss_by_hand():
    model = whole().train()
    samples = [labelled(0), labelled(1)]
    found = model.loss(samples, LEARNT)
    with torch.no_grad():
        images = torch.stack([s.image for s in samples])
        logits = model.look(images, model.text(LEARNT.pick([0, 1])))
    rows = [logits[i, i, :32] for i in range(2)]  # all that is labelled is what it is asked for
    expected = F.softplus(-torch.stack(rows)).mean()
    torch.testing.assert_close(found["loss_pixel"], expected, atol=1e-5, rtol=1e-4)


def test_gradients_reach_the_decoder_alone():
    model = whole(prompts=ClipsegPrompts(ClipsegView(size=16))).train()
    samples = [labelled(0), labelled(1)]
    for _ in range(2):  # the second time there are pictures
        sum(model.loss(samples, LEARNT).values()).backward()
    reached = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert reached == {"head"}
    assert all(p.grad.abs().sum() > 0 for p in model.head.parameters() if p.ndim > 1)


def test_one_name_gives_a_mask():
    model = whole(answers=PixelAnswers(sigmoid=True, reject=0.5)).eval()
    only = Vocabulary.of(["kite"])
    with torch.no_grad():
        image = sample(None, 0)
        logits = model.look(image.image[None], model.text(only))[0, 0]
        model.head.draw.bias -= logits.median()  # so that half of the pixels are sure
        (found,) = model.segment([image], only)
        logits = model.look(image.image[None], model.text(only))[0, 0]
    assert torch.equal(found == 0, logits >= 0)
    assert set(found.unique().tolist()) == {0, IGNORED}


def test_examples_are_asked_in_place_of_names():
    class Fixed(torch.nn.Module):
        def forward(self, embed, vocabulary):
            assert vocabulary.names == ASKED.names
            return embed(torch.linspace(0, 1, 5).view(5, 1, 1, 1).expand(5, 3, 16, 16))

    model = whole(examples=Fixed()).eval()
    image = sample(None, 0)
    (found,) = model.segment([image], ASKED)
    pictures = Fixed()(model.trunk.embed, ASKED)
    with torch.no_grad():
        logits = model.look(image.image[None], Text(classes=pictures))[0]
    assert torch.equal(found, logits.argmax(dim=0))


def test_bfloat16_step():
    model = whole(prompts=ClipsegPrompts(ClipsegView(size=16))).train()
    samples = [labelled(0), labelled(1)]
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            loss = sum(model.loss(samples, LEARNT).values())
        loss.backward()
        assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.head.parameters())
