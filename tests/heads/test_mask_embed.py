import pytest
import torch
from torch import nn

from ovdet.heads import CosineClassifier, MaskBranch, MaskCropEmbedder, QueryEmbedder
from ovdet.ops import unit_norm
from ovdet.structures import InputError, Regions

SIDE = 16


class Seen(nn.Module):
    """An encoder that keeps what it was shown; its embedding is the mean colour."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.crops = []

    def forward(self, crops):
        self.crops.append(crops)
        return crops.mean(dim=(2, 3)) * self.weight


def regions(masks, owner=None):
    masks = torch.as_tensor(masks, dtype=torch.float32)
    owner = torch.zeros(len(masks), dtype=torch.int64) if owner is None else owner
    boxes = torch.tensor([[0.0, 0, SIDE, SIDE]]).expand(len(masks), 4)
    return Regions(boxes, owner, masks=masks)


def half_masks():
    masks = torch.zeros(2, 4, 4)
    masks[0, :, :2] = 1  # the left half; the second one is empty
    return masks


def look(mode, masks, images, owner=None, **settings):
    encoder = Seen()
    embedder = MaskCropEmbedder(encoder, size=8, mode=mode, fill=(0.5, 0.25, 0.0), **settings)
    found = embedder([], regions(masks, owner), images)
    return found, torch.cat(encoder.crops)


def test_a_crop_shows_the_box_as_it_is():
    images = torch.rand(1, 3, SIDE, SIDE)
    images[:, :, :, : SIDE // 2] = 0.75
    _, crops = look("crop", half_masks()[:1], images)
    torch.testing.assert_close(crops, torch.full_like(crops, 0.75))


def test_a_mask_fills_what_lies_outside():
    images = torch.ones(1, 3, SIDE, SIDE)
    masks = torch.zeros(1, SIDE, SIDE)
    masks[0, :, :8] = 1
    found, crops = look("mask", masks, images)
    fill = torch.tensor([0.5, 0.25, 0.0])
    torch.testing.assert_close(crops[0, :, 4, 7], fill)
    torch.testing.assert_close(crops[0, :, 4, 0], torch.ones(3))
    torch.testing.assert_close(found[0], unit_norm((1 + fill) / 2))


def test_both_at_once():
    images = torch.ones(1, 3, SIDE, SIDE)
    masks = torch.zeros(1, SIDE, SIDE)
    masks[0, 4:8, 0:8], masks[0, 8:12, 0:4] = 1, 1  # three quarters of an 8 x 8 box
    _, crops = look("cropmask", masks, images)
    torch.testing.assert_close(crops[0, :, 1, 1], torch.ones(3))
    torch.testing.assert_close(crops[0, :, 6, 6], torch.tensor([0.5, 0.25, 0.0]))


@pytest.mark.parametrize("mode", ["cropmask", "crop"])
def test_an_empty_mask_is_looked_at_as_the_canvas(mode):
    images = torch.rand(1, 3, SIDE, SIDE)
    _, crops = look(mode, half_masks()[1:], images)
    mean = images.mean(dim=(0, 2, 3)) if mode == "crop" else torch.tensor([0.5, 0.25, 0.0])
    torch.testing.assert_close(crops.mean(dim=(0, 2, 3)), mean, atol=2e-2, rtol=0)


def test_masks_look_into_their_own_images_whatever_the_chunk(monkeypatch):
    images = torch.rand(2, 3, SIDE, SIDE)
    masks = torch.rand(5, 4, 4)
    owner = torch.tensor([0, 0, 1, 1, 1])
    once, _ = look("cropmask", masks, images, owner)
    parts, _ = look("cropmask", masks, images, owner, chunk=2)
    torch.testing.assert_close(once, parts)
    monkeypatch.setattr("ovdet.heads.mask_embed._AT_ONCE", 1)  # as if the pictures were huge
    single, _ = look("cropmask", masks, images, owner)
    torch.testing.assert_close(once, single)
    alone, _ = look("cropmask", masks[2:], images[1:])
    torch.testing.assert_close(once[2:], alone)


def test_no_masks_no_embeddings():
    found, _ = look("cropmask", torch.zeros(0, 4, 4), torch.rand(1, 3, SIDE, SIDE))
    assert found.shape == (0, 3)
    bare = regions(half_masks()).with_(masks=None)
    with pytest.raises(InputError, match="the regions have no masks"):
        MaskCropEmbedder(Seen())([], bare, torch.rand(1, 3, SIDE, SIDE))


def test_the_mode_is_one_of_three():
    with pytest.raises(ValueError, match=r"mode must be one of .*'mask'.*, got 'box'"):
        MaskCropEmbedder(Seen(), mode="box")


def test_a_query_is_projected():
    embedder = QueryEmbedder(4, 3)
    vectors = torch.randn(2, 4)
    given = regions(half_masks()).with_(embeddings=vectors)
    found = embedder([], given, torch.zeros(1, 3, SIDE, SIDE))
    torch.testing.assert_close(found, unit_norm(embedder.project(vectors)))
    with pytest.raises(InputError, match="the regions have none"):
        embedder([], regions(half_masks()), torch.zeros(1, 3, SIDE, SIDE))


def branch(**settings):
    classifier = CosineClassifier(3, scale=2.0, background="none")
    return MaskBranch(QueryEmbedder(4, 3), classifier, **settings)


def test_a_borrowed_void_takes_its_share():
    logits, void = torch.randn(5, 2), torch.randn(5)
    shared = branch(shares_void=True).probabilities(logits, void)
    torch.testing.assert_close(shared, torch.cat([logits, void[:, None]], 1).softmax(1)[:, :2])
    torch.testing.assert_close(branch().probabilities(logits, void), logits.softmax(1))
    alone = branch(shares_void=True).probabilities(logits, None)
    torch.testing.assert_close(alone, logits.softmax(1))


def test_a_branch_embeds_and_compares():
    own = branch(text=nn.Identity())
    given = regions(half_masks()).with_(embeddings=torch.randn(2, 4))
    classes = unit_norm(torch.randn(5, 3))
    embeddings, logits = own([], given, torch.zeros(1, 3, SIDE, SIDE), classes)
    torch.testing.assert_close(logits, 2 * embeddings @ classes.T)
