import math
import subprocess
import sys
import textwrap

import pytest
import torch
from contracts import LEARNT, ROOT, build_tiny
from torch import nn

from ovdet.losses import InfoNce
from ovdet.methods.filip import FilipLoss, FilipRegionWords, FilipTokenSelection, late_contrast
from ovdet.ops import token_max_sim, unit_norm
from ovdet.recognizers import DualEncoder
from ovdet.structures import Flow, InputError, Regions, Sample, Tokens, Vocabulary
from ovdet.text import TinyTextTransformer
from ovdet.text.tokenizer import END
from ovdet.vision import PlaceEncoder, SmallTrunk

SCALE = torch.tensor(9.0, dtype=torch.float64)


def sets(count, length, *, real=None, seed=0, dim=6):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, length, dim, generator=generator, dtype=torch.float64)
    if real is None:
        return Tokens(unit_norm(drawn))
    return Tokens(unit_norm(drawn), torch.arange(length) < torch.tensor(real)[:, None])


def written_out(images, texts, scale):
    """The paper's loss, a loop over pairs and tokens."""
    count = len(images)
    s_image, s_text = torch.zeros(2, count, count, dtype=torch.float64)
    for i in range(count):
        for j in range(count):
            products = images.vectors[i] @ texts.vectors[j][texts.real[j]].T  # [P, words of j]
            s_image[i, j] = sum(row.max() for row in products) / len(products)
            s_text[i, j] = sum(column.max() for column in products.T) / products.shape[1]
    by_image = -(scale * s_image).log_softmax(dim=1).diag().mean()
    by_text = -(scale * s_text).log_softmax(dim=0).diag().mean()
    return (by_image + by_text) / 2


def test_the_loss_is_the_papers():
    images, texts = sets(4, 5), sets(4, 7, real=[3, 7, 1, 5], seed=1)
    torch.testing.assert_close(FilipLoss()(images, texts, SCALE), written_out(images, texts, SCALE))


def test_one_patch_and_one_word_are_infonce():
    images, texts = sets(5, 1), sets(5, 1, seed=1)
    expected = InfoNce()(images.vectors[:, 0], texts.vectors[:, 0], SCALE)
    torch.testing.assert_close(FilipLoss()(images, texts, SCALE), expected)


def test_padding_changes_nothing_but_in_the_ablation():
    images, texts = sets(4, 5), sets(4, 7, real=[3, 7, 1, 5], seed=1)
    loss, ablation = FilipLoss(), FilipLoss(mask_words=False)
    padded = texts.padded(11)
    torch.testing.assert_close(loss(images, padded, SCALE), loss(images, texts, SCALE))
    assert ablation(images, padded, SCALE) != ablation(images, texts, SCALE)
    whole = Tokens(texts.vectors)
    assert ablation(images, texts, SCALE) == loss(images, whole, SCALE)


def test_a_word_said_twice_leaves_a_picture_alone():
    images, texts = sets(4, 5), sets(4, 3, seed=1)
    twice = Tokens(torch.cat([texts.vectors, texts.vectors[:, :1]], dim=1))
    once, again = (token_max_sim(images.vectors, t.vectors) for t in (texts, twice))
    torch.testing.assert_close(once[0], again[0])
    assert not torch.allclose(once[1], again[1])


def test_chunks_change_nothing():
    images, texts = sets(4, 5), sets(4, 7, real=[3, 7, 1, 5], seed=1)
    whole = FilipLoss()(images, texts, SCALE)
    for chunk in (1, 3, 4):
        torch.testing.assert_close(FilipLoss(chunk=chunk)(images, texts, SCALE), whole)


def test_the_scale_learns():
    scale = SCALE.clone().requires_grad_()
    FilipLoss()(sets(4, 5), sets(4, 7, seed=1), scale).backward()
    assert scale.grad != 0


def test_all_tokens_chosen_is_no_choice():
    images, texts = sets(4, 5), sets(4, 7, real=[3, 7, 1, 5], seed=1)
    chosen = FilipLoss(FilipTokenSelection(1.0))(images, texts, SCALE)
    torch.testing.assert_close(chosen, FilipLoss()(images, texts, SCALE))
    # just below all, a set of few loses none: its share is rounded up
    nearly = FilipLoss(FilipTokenSelection(0.99))(images, texts, SCALE)
    torch.testing.assert_close(nearly, FilipLoss()(images, texts, SCALE))


def test_the_best_of_a_pair_are_chosen_in_their_order():
    image = torch.tensor([[[1.0, 0], [0, -1], [0.6, 0.8], [-1, 0]]])
    text = torch.tensor([[[-0.6, 0.8], [0, 1.0], [1.0, 0], [0.9, 0.1]]])
    mask = torch.tensor([[True, True, False, False]])
    images, texts = FilipTokenSelection(0.5)(Tokens(image), Tokens(text, mask))
    # Best real words of the patches: 0, -0.8, 1, 0.6 (with -0.6, 0.8). Best patches: 0.6, 0.8.
    assert torch.equal(images.vectors, image[:, [2, 3]])
    assert images.mask.all()
    assert torch.equal(texts.vectors, text[:, [1]])  # half of two real words


def test_sets_of_several_sizes_keep_their_shares():
    images, texts = FilipTokenSelection(0.25)(sets(3, 8), sets(3, 9, real=[9, 1, 4], seed=1))
    assert images.mask.sum(dim=1).tolist() == [2, 2, 2]
    assert texts.mask.sum(dim=1).tolist() == [3, 1, 1]  # of 9, 1 and 4, rounded up


def test_chosen_tokens_get_the_gradient():
    images, texts = sets(3, 8), sets(3, 9, seed=1)
    images.vectors.requires_grad_()
    FilipLoss(FilipTokenSelection(0.25))(images, texts, SCALE).backward()
    touched = images.vectors.grad.abs().sum(dim=2) > 0
    assert (touched.sum(dim=1) <= 2).all()
    assert touched.any(dim=1).all()


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_is_a_share(share):
    with pytest.raises(ValueError, match=f"above 0 and at most 1, got {share}"):
        FilipTokenSelection(share)


def test_two_processes_are_one_big_batch(tmp_path):
    """Each of two processes holds half, of captions that end elsewhere; gradients are averaged."""
    images, texts = sets(6, 5), sets(6, 7, real=[3, 2, 1, 5, 7, 4], seed=1)
    weight = torch.eye(6, dtype=torch.float64).requires_grad_()
    turned = Tokens(unit_norm(texts.vectors @ weight), texts.mask)
    loss = FilipLoss(FilipTokenSelection(0.5))(images, turned, SCALE)
    loss.backward()
    torch.save((images.vectors, texts.vectors, texts.mask, SCALE), tmp_path / "pairs.pt")
    script = textwrap.dedent(f"""
        import sys, torch
        from ovdet.methods.filip import FilipLoss, FilipTokenSelection
        from ovdet.ops import unit_norm
        from ovdet.structures import Tokens
        rank, folder = int(sys.argv[1]), {str(tmp_path)!r}
        store = torch.distributed.FileStore(folder + "/store", 2)
        torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
        images, words, mask, scale = torch.load(folder + "/pairs.pt")
        own = slice(3 * rank, 3 * rank + 3)
        length = int(mask[own].sum(dim=1).max())
        weight = torch.eye(6, dtype=torch.float64).requires_grad_()
        texts = Tokens(unit_norm(words[own, :length] @ weight), mask[own, :length])
        loss = FilipLoss(FilipTokenSelection(0.5))(Tokens(images[own]), texts, scale)
        loss.backward()
        torch.save((loss.detach(), weight.grad), folder + f"/{{rank}}.pt")
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()  # else exit may abort
    """)
    started = [subprocess.Popen([sys.executable, "-c", script, str(rank)]) for rank in range(2)]
    assert [process.wait(timeout=300) for process in started] == [0, 0]
    (first, one), (second, other) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    torch.testing.assert_close((first + second) / 2, loss.detach())
    torch.testing.assert_close((one + other) / 2, weight.grad)


def tiny(objective):
    torch.manual_seed(0)
    text = TinyTextTransformer(dim=8, width=16, layers=1, heads=2, embed_width=8)
    return DualEncoder(PlaceEncoder(SmallTrunk((4, 8, 12)), dim=8), text, objective)


def captioned(*captions):
    pictures = torch.rand(len(captions), 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return [
        Sample(picture, image_id=i, original_size=(32, 32), captions=(caption,))
        for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True))
    ]


def test_a_recognizer_learns_every_weight_from_tokens():
    model = tiny(FilipLoss()).train()
    losses = model(captioned("a red car", "a very small dog on grass"), mode="loss")
    losses["loss_contrastive"].backward()
    assert all(p.grad is not None for p in model.parameters())


def test_a_recognizer_predicts_sets():
    model = tiny(FilipLoss()).eval()
    samples = captioned("a red car", "a very small dog on grass")
    for sample, (image, texts) in zip(samples, model(samples, mode="predict"), strict=True):
        assert image.vectors.shape == (1, 16, 8)  # 4 x 4 places at stride 8
        alone = model.embed_words(sample.captions)
        torch.testing.assert_close(
            texts.vectors[texts.mask], alone.vectors[alone.mask], atol=1e-5, rtol=1e-4
        )
        assert image.vectors.norm(dim=2).sub(1).abs().max() < 1e-5


def test_a_step_in_half_precision():
    model = tiny(FilipLoss(FilipTokenSelection(0.5))).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(captioned("a red car", "a kite"), mode="loss")["loss_contrastive"]
    loss.backward()
    assert loss.dtype is torch.float32
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_zero_shot_averages_similarities_of_prompts():
    model = tiny(FilipLoss()).eval()
    templates = ["a photo of a {}.", "{}"]
    classes, prompts = model.embed_names(["red car", "kite"], templates)
    assert prompts == 2
    assert len(classes) == 4
    expected = model.embed_words(["a photo of a red car.", "red car", "a photo of a kite.", "kite"])
    torch.testing.assert_close(classes.vectors, expected.vectors)
    assert torch.equal(classes.mask, expected.mask)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return TinyTextTransformer(dim=8, width=16, layers=1, heads=2, embed_width=8)


def boxes(*owners):
    count = len(owners)
    corners = torch.arange(count)[:, None] + torch.tensor([0.0, 0, 4, 4])
    return Regions(corners, torch.tensor(owners, dtype=torch.int64))


def flow(proposals, *captions, dim=8):
    """Return a flow whose region embeddings are rows of a table, by their left side."""
    samples = captioned(*captions)
    for sample in samples:
        sample.captions = tuple(text for text in sample.captions if text)
    record = Flow(torch.zeros(len(samples), 3, 32, 32), samples, Vocabulary.of(["cat"]))
    record.features = [torch.zeros(1, 2, 4, 4, requires_grad=True)]
    record.proposals = proposals
    generator = torch.Generator().manual_seed(1)
    table = unit_norm(torch.randn(20, dim, generator=generator)).requires_grad_()
    asked = []

    def embed(regions, branch):
        asked.append((regions, branch))
        return table[regions.boxes[:, 0].long()]

    record.embed = embed
    return record, table, asked


def words_of(encoder, text):
    """Return what stands between START and END, [T, D]."""
    ids = encoder.tokenizer([text])
    with torch.no_grad():
        states = encoder.read(encoder.embed_ids(ids))[0]
    return unit_norm(states[1 : int((ids == END).int().argmax())])


def test_regions_and_words_by_the_formula(encoder):
    record, table, asked = flow(boxes(0, 0, 1, 1, 1), "a red car", "dog")
    objective = FilipRegionWords(encoder, branch=1, weight=0.5)
    loss = objective(record)["loss_region_words"]
    assert asked[0][1] == 1
    assert asked[0][0].owner.tolist() == [0, 0, 1, 1, 1]
    words = [words_of(encoder, text) for text in ("a red car", "dog")]
    regions = [table[:2], table[2:5]]
    products = [[regions[i] @ words[j].T for j in range(2)] for i in range(2)]
    s_image, s_text = (
        torch.stack([torch.stack([p.max(dim=axis).values.mean() for p in row]) for row in products])
        for axis in (1, 0)
    )
    expected = 0.5 * late_contrast(s_image, s_text, torch.tensor(1 / 0.07))
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert table.grad[:5].abs().sum() > 0
    assert not table.grad[5:].any()
    assert objective.log_scale.grad != 0
    assert not any(p.requires_grad for p in encoder.parameters())


def test_pictures_without_caption_or_region_are_left_out(encoder):
    record, _, asked = flow(boxes(0, 2, 2, 3), "a red car", "dog", "", "a kite")
    objective = FilipRegionWords(encoder)
    loss = objective(record)["loss_region_words"]  # picture 1 has no region, 2 no caption
    assert asked[0][0].owner.tolist() == [0, 3]
    assert asked[0][0].boxes[:, 0].tolist() == [0, 3]
    alone, _, _ = flow(boxes(0, 2, 2, 1), "a red car", "a kite")
    alone.proposals = boxes(0, 2, 2, 3)[torch.tensor([0, 3])].with_(owner=torch.tensor([0, 1]))
    torch.testing.assert_close(loss, objective(alone)["loss_region_words"])


def test_the_best_regions_alone_are_read(encoder):
    record, _, asked = flow(boxes(0, 0, 0, 1), "a red car", "dog")
    FilipRegionWords(encoder, count=2)(record)
    assert asked[0][0].boxes[:, 0].tolist() == [0, 1, 3]


@pytest.mark.parametrize("captions", [("", ""), ("a cat", "a dog")])
def test_nothing_to_compare_is_no_loss_but_a_graph(encoder, captions):
    found = boxes(0, 1) if captions == ("", "") else Regions.empty()
    record, _, _ = flow(found, *captions)
    objective = FilipRegionWords(encoder)
    loss = objective(record)["loss_region_words"]
    loss.backward()
    assert loss.item() == 0
    assert record.features[0].grad is not None
    assert objective.log_scale.grad is not None


def test_the_scale_stays_at_a_hundred(encoder):
    objective = FilipRegionWords(encoder)
    with torch.no_grad():
        objective.log_scale.fill_(9.0)
    record, _, _ = flow(boxes(0, 1), "a cat", "a dog")
    objective(record)["loss_region_words"].backward()
    assert objective.log_scale.item() == pytest.approx(math.log(100))
    assert objective.log_scale.grad != 0


def test_regions_need_a_detector(encoder):
    record, _, _ = flow(None, "a cat")
    with pytest.raises(InputError, match="needs a detector with proposals"):
        FilipRegionWords(encoder)(record)
    with pytest.raises(ValueError, match="at least 1 region, got 0"):
        FilipRegionWords(encoder, count=0)


def test_a_detector_learns_from_captions():
    """The two-stage detector of ViLD's baseline with the objective beside its own losses."""
    tower = TinyTextTransformer(dim=128, width=16, layers=1, heads=2, embed_width=8)
    case = build_tiny(ROOT / "configs/methods/vild/vild_text_tiny_stickers.py")
    case.model.objectives = nn.ModuleList([FilipRegionWords(tower, count=20)])
    for sample in case.samples:
        sample.boxed = False  # from captions alone
    case.model.vocabulary = LEARNT
    losses = case.losses()
    assert {name for name in losses if name.startswith("loss_")} == {"loss_region_words"}
    losses["loss_region_words"].backward()
    embedder = case.model.branches[0].embedder
    assert all(p.grad is not None for p in embedder.parameters())
    assert all(p.grad is None for p in case.model.objectives[0].encoder.parameters())
    state = case.model.state_dict()
    assert "objectives.0.log_scale" in state
