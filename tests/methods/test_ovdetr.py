import numpy as np
import pytest
import torch
from contracts import LEARNT, ROOT, build_tiny
from torch import nn

from ovdet.data import StoredCrops
from ovdet.methods.ovdetr import OvdetrConditions, OvdetrLabeler, OvdetrReconstruction
from ovdet.ops import unit_norm
from ovdet.structures import Conditions, Decoded, Flow, Regions, Sample, Text, Vocabulary

CONFIG = ROOT / "configs/methods/ovdetr/ovdetr_tiny_stickers.py"
NAMES = Vocabulary(tuple("abcdefgh"), novel=(False,) * 6 + (True,) * 2)
DIM, WIDTH = 4, 6


def regions(boxes, labels=None):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    labels = None if labels is None else torch.tensor(labels, dtype=torch.int64)
    return Regions(boxes, torch.zeros(len(boxes), dtype=torch.int64), labels=labels)


def flow(*labels, unboxed=()):
    """A batch with objects of the given classes, an image each."""
    boxed = [True] * len(labels) + [False] * len(unboxed)
    samples = [
        Sample(torch.zeros(3, 32, 32), 1, truth=regions([[0, 0, 8, 8]], [label]), boxed=known)
        for label, known in zip((*labels, *unboxed), boxed, strict=True)
    ]
    text = Text(unit_norm(torch.randn(8, DIM, generator=torch.Generator().manual_seed(0))))
    return Flow(torch.zeros(max(len(samples), 1), 3, 32, 32), samples, NAMES, text=text)


@pytest.fixture
def crops(tmp_path):
    """Two crops of class 0, one of class 2."""
    file = tmp_path / "crops.npz"
    vectors = np.eye(DIM, dtype=np.float32)
    np.savez(
        file,
        **{
            "3.labels": np.array([0, 2]),
            "3.boxes": np.zeros((2, 4)),
            "3.embeddings": vectors[:2],
            "7.labels": np.array([0]),
            "7.boxes": np.zeros((1, 4)),
            "7.embeddings": vectors[2:3],
        },
    )
    return StoredCrops(str(file))


def test_asked_are_the_classes_that_are_there():
    torch.manual_seed(0)
    part = OvdetrConditions(WIDTH, DIM, count=4, padded=1)
    record = flow(0, 3, 3, 5)
    asked = part.draw(record)
    assert sorted(asked.classes.tolist()) == [0, 3, 5]
    assert torch.equal(asked.vectors, record.text.classes[asked.classes])
    assert not asked.seen.any()


def test_too_many_classes_are_drawn_from_at_random():
    part = OvdetrConditions(WIDTH, DIM, count=2, padded=2)
    drawn = {tuple(part.draw(flow(0, 1, 2, 3)).classes.tolist()) for _ in range(40)}
    assert all(len(set(one)) == 2 for one in drawn)
    assert {label for one in drawn for label in one} == {0, 1, 2, 3}


def test_absent_classes_are_asked_for_too_where_few_are_there():
    part = OvdetrConditions(WIDTH, DIM, count=7, padded=5)
    for _ in range(20):
        classes = part.draw(flow(2, 4)).classes.tolist()
        assert len(set(classes)) == 5
        assert {2, 4} <= set(classes)


def test_novel_classes_are_never_asked_for_where_they_have_no_boxes():
    part = OvdetrConditions(WIDTH, DIM, count=8, padded=8, mask_novel=True)
    assert sorted(part.draw(flow(1, 6)).classes.tolist()) == [0, 1, 2, 3, 4, 5]
    free = OvdetrConditions(WIDTH, DIM, count=8, padded=8)
    assert sorted(free.draw(flow(1, 6)).classes.tolist()) == list(range(8))


def test_images_without_boxes_have_no_say():
    part = OvdetrConditions(WIDTH, DIM, count=4, padded=1)
    assert part.draw(flow(0, unboxed=(3,))).classes.tolist() == [0]


def test_a_batch_without_objects_asks_for_what_is_absent():
    assert len(OvdetrConditions(WIDTH, DIM, count=4, padded=3).draw(flow())) == 3


def test_each_image_may_be_asked_for_its_own():
    torch.manual_seed(0)
    part = OvdetrConditions(WIDTH, DIM, count=4, padded=2, own=True)
    record = flow(0, 1, 2)
    for sample, labels in zip(record.samples, ([0, 3, 5], [2], []), strict=True):
        sample.truth = regions([[0, 0, 8, 8]] * len(labels), labels)
    asked = part.draw(record)
    assert asked.classes.shape == (3, 3), "as many as the image that needs most"
    assert set(asked.classes[0].tolist()) == {0, 3, 5}
    assert asked.classes[1, 0] == 2
    assert all(len(set(row)) == 3 for row in asked.classes.tolist())
    assert torch.equal(asked.vectors, record.text.classes[asked.classes])
    assert part(asked).shape == (3, 3, WIDTH)
    assert torch.equal(asked.of_image(1), asked.classes[1])
    picked = asked.given(torch.tensor([0, 2]), torch.tensor([1, 0]))
    assert torch.equal(picked, torch.stack([asked.vectors[0, 1], asked.vectors[2, 0]]))


def test_names_and_crops_by_chance(crops):
    torch.manual_seed(0)
    part = OvdetrConditions(WIDTH, DIM, count=4, padded=1, words=0.75, crops=crops)
    record = flow(0, 1)
    seen = {0: [], 1: []}
    rows = set()
    for _ in range(400):
        asked = part.draw(record)
        for label, vector, is_seen in zip(
            asked.classes.tolist(), asked.vectors, asked.seen.tolist(), strict=True
        ):
            seen[label].append(is_seen)
            if is_seen:
                rows.add(tuple(vector.tolist()))
            else:
                assert torch.equal(vector, record.text.classes[label])
    assert sum(seen[0]) / 400 == pytest.approx(0.25, abs=0.08)
    assert sum(seen[1]) == 0, "a class without a stored crop is asked for by name"
    assert rows == {(1.0, 0, 0, 0), (0, 0, 1.0, 0)}


def test_names_and_crops_have_projections_of_their_own():
    torch.manual_seed(0)
    part = OvdetrConditions(WIDTH, DIM)
    vectors = torch.randn(2, DIM)
    conditions = Conditions(torch.arange(2), vectors, torch.tensor([False, True]))
    given = part(conditions)
    torch.testing.assert_close(given[0], part.of_words(vectors[0]))
    torch.testing.assert_close(given[1], part.of_images(vectors[1]))
    given.sum().backward()
    assert torch.equal(part.of_images.weight.grad, vectors[1].expand(WIDTH, DIM))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words": 1.5}, r"words must lie in \[0, 1\], got 1\.5"),
        ({"count": 3, "padded": 4}, r"must be 1 <= padded <= count, got 4 and 3"),
        ({"padded": 0}, r"must be 1 <= padded <= count, got 0 and 15"),
    ],
)
def test_bad_options_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        OvdetrConditions(WIDTH, DIM, **options)


def decoded(matches):
    hidden = torch.randn(2, 3, 4, WIDTH, generator=torch.Generator().manual_seed(1))
    hidden.requires_grad_()
    return Decoded(hidden, torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 1), matches)


def asked():
    vectors = unit_norm(torch.randn(3, DIM, generator=torch.Generator().manual_seed(2)))
    return Conditions(torch.arange(3), vectors, torch.zeros(3, dtype=torch.bool))


def test_reconstruction_as_written_down():
    torch.manual_seed(0)
    part = OvdetrReconstruction(WIDTH, DIM, 2, weight=2.0)
    matches = torch.full((2, 3, 4), -1)
    matches[0, 1, 3] = 0
    matches[1, 2, 0] = 1
    record = flow(0, 1)
    record.conditions, record.decoded = asked(), [decoded(matches), decoded(matches)]
    loss = part(record)["loss_condition"]
    expected = 0.0
    for layer, align in zip(record.decoded, part.align, strict=True):
        for image, block, query in ((0, 1, 3), (1, 2, 0)):
            said = align(layer.hidden[image, block, query])
            said = said / said.norm()
            expected += ((said - record.conditions.vectors[block]) ** 2).sum() / 2
    torch.testing.assert_close(loss, 2.0 * expected)
    loss.backward()
    assert record.decoded[0].hidden.grad[0, 1, 3].abs().sum() > 0
    assert record.decoded[0].hidden.grad[0, 0].abs().sum() == 0


@pytest.mark.parametrize("matches", [None, torch.full((2, 3, 4), -1)])
def test_no_object_is_no_loss_but_a_graph(matches):
    part = OvdetrReconstruction(WIDTH, DIM, 1)
    record = flow(0, 1)
    record.conditions, record.decoded = asked(), [decoded(matches)]
    loss = part(record)["loss_condition"]
    loss.backward()
    assert loss.item() == 0
    assert record.decoded[0].hidden.grad is not None


COLOURS = Vocabulary(("red", "green", "blue"), novel=(False, True, True))


class Colour(nn.Module):
    """A teacher and a text slot one can compute by hand: colours are unit vectors."""

    def forward(self, images, regions):
        pixels = [
            images[0, :, int(y1) : int(y2), int(x1) : int(x2)].mean(dim=(1, 2))
            for x1, y1, x2, y2 in regions.boxes.tolist()
        ]
        return unit_norm(torch.stack(pixels)) if pixels else torch.zeros(0, 3)


def labeler(boxes, **changes):
    detector = nn.Module()
    detector.trunk = nn.Identity()
    found = regions(boxes).with_(scores=torch.ones(len(boxes)))
    detector.proposals = lambda _levels, _images: (found, {})
    detector.text = lambda vocabulary: Text(torch.eye(3)[: len(vocabulary)])
    detector.vocabulary = COLOURS
    return OvdetrLabeler(detector, Colour(), **changes)


def scene():
    """A red square that is annotated; a green, a blue and a grey one that are not."""
    image = torch.zeros(3, 32, 32)
    for channel, (x, y) in enumerate([(0, 0), (16, 0), (0, 16)]):
        image[channel, y : y + 8, x : x + 8] = 1
    image[:, 16:24, 16:24] = 0.5
    return Sample(image, 5, truth=regions([[0, 0, 8, 8]], [0]))


BOXES = [[0, 0, 8, 8], [16, 0, 24, 8], [16, 0, 24, 7], [0, 16, 8, 24], [16, 16, 24, 24]]


def test_novel_objects_are_mined_beside_the_annotated_ones():
    after = labeler(BOXES)(scene()).proposals
    assert after.boxes.tolist() == [BOXES[0], BOXES[1], BOXES[3]]
    assert after.labels.tolist() == [0, 1, 2]
    torch.testing.assert_close(after.embeddings, torch.eye(3))
    torch.testing.assert_close(after.scores, torch.ones(3))
    assert after.owner.tolist() == [0, 0, 0]


def test_what_looks_like_everything_is_no_object():
    """Grey is red, green and blue alike: a probability of a third."""
    eager = labeler(BOXES, least=0.3)(scene()).proposals
    assert eager.boxes.tolist() == [BOXES[0], BOXES[1], BOXES[3], BOXES[4]]
    assert eager.scores[3].item() == pytest.approx(1 / 3)


def test_what_looks_like_no_name_is_no_object():
    """Grey has a cosine of 1 / sqrt(3) with each colour."""
    strict = labeler(BOXES, least=0.3, likeness=0.6)(scene()).proposals
    assert strict.boxes.tolist() == [BOXES[0], BOXES[1], BOXES[3]]
    loose = labeler(BOXES, least=0.3, likeness=0.57)(scene()).proposals
    assert loose.boxes.tolist() == [BOXES[0], BOXES[1], BOXES[3], BOXES[4]]


def test_what_looks_like_a_base_class_is_not_mined():
    image = scene()
    image.truth = image.truth[:0]
    after = labeler(BOXES)(image).proposals
    assert after.labels.tolist() == [1, 2]


def test_only_the_best_proposals_are_looked_at():
    assert labeler(BOXES, count=2)(scene()).proposals.labels.tolist() == [0, 1]


def test_a_picture_without_anything():
    empty = scene()
    empty.truth = empty.truth[:0]
    after = labeler([])(empty).proposals
    assert len(after) == 0


def test_a_share_is_a_share():
    with pytest.raises(ValueError, match=r"likeness must lie in \[-1, 1\], got 2"):
        labeler([], likeness=2)
    with pytest.raises(ValueError, match=r"least must lie in \[0, 1\], got 2"):
        labeler([], least=2)


def test_the_detector_learns_from_labelled_crops():
    """Whole: crops as conditions reach the projection of images, and half precision holds."""
    torch.manual_seed(0)
    case = build_tiny(CONFIG)

    class Seen:
        def draw(self, _label):
            return torch.randn(128)

    case.model.conditions.crops = Seen()
    case.model.conditions.words = 0.0
    with torch.autocast("cpu", torch.bfloat16):
        total = case.total()
    total.backward()
    assert torch.isfinite(total)
    grads = {n: p.grad for n, p in case.model.named_parameters() if p.grad is not None}
    assert all(torch.isfinite(grad).all() for grad in grads.values())
    assert grads["conditions.of_images.weight"].abs().sum() > 0
    assert grads["conditions.of_words.weight"].abs().sum() == 0
    assert grads["objectives.0.align.0.weight"].abs().sum() > 0


@torch.no_grad()
def test_a_picture_of_a_thing_can_be_asked_for():
    case = build_tiny(CONFIG)
    model = case.model.eval()
    crops = unit_norm(torch.randn(2, 128))
    found = model.find(case.samples, crops)
    assert {int(label) for one in found for label in one.labels} == {0, 1}
    said = model.find(case.samples, crops, seen=False)
    assert not torch.allclose(found[0].scores, said[0].scores)
    assert model.vocabulary == LEARNT
