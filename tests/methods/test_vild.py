import pytest
import torch
from torch import nn

from ovdet.methods.vild import VildDistillation, VildLabeler
from ovdet.ops import unit_norm
from ovdet.structures import Flow, InputError, Regions, Sample, Vocabulary
from ovdet.vision import CropTeacher


class MeanColour(nn.Module):
    """An encoder one can compute by hand: a crop's mean colour, unit norm."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, crops):
        return unit_norm(crops.mean(dim=(2, 3)) * self.gain)


def picture():
    """A red square of 16 px, its lower right corner at the middle of a green picture."""
    image = torch.zeros(3, 32, 32)
    image[1] = 1
    image[:, 8:16, 8:16] = torch.tensor([1.0, 0, 0])[:, None, None]
    return image


def regions(boxes, embeddings=None):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    owner = torch.zeros(len(boxes), dtype=torch.int64)
    return Regions(boxes, owner, embeddings=embeddings)


def flow(proposals=None, prepared=None, student=None):
    image = picture()
    sample = Sample(image, image_id=1, proposals=prepared)
    record = Flow(image[None], [sample], Vocabulary.of(["cat"]), proposals=proposals)
    record.features = [torch.zeros(1, 2, 4, 4, requires_grad=True)]
    asked = []

    def embed(given, branch):
        asked.append((given, branch))
        return student

    record.embed = embed
    return record, asked


def test_loss_by_hand():
    known = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    student = torch.tensor([[0.0, 1, 0], [0, 1, 0]])  # L1 distances 2 and 0
    record, asked = flow(prepared=regions([[0, 0, 4, 4], [5, 5, 9, 9]], known))
    torch.manual_seed(0)
    record.embed = lambda given, branch: (
        asked.append((given, branch)),
        student[(given.boxes[:, 0] > 0).long()],
    )[1]
    loss = VildDistillation(branch=1, weight=0.5)(record)["loss_vild"]
    assert loss.item() == pytest.approx(0.5 * (2 + 0) / 2)
    assert asked[0][1] == 1


def test_boxes_and_embeddings_are_drawn_together():
    boxes = [[i, i, i + 4, i + 4] for i in range(20)]
    known = torch.arange(20.0)[:, None].expand(20, 3)
    record, asked = flow(prepared=regions(boxes, known), student=torch.zeros(5, 3))
    VildDistillation(count=5)(record)
    drawn = asked[0][0]
    assert len(drawn) == 5
    assert torch.equal(drawn.boxes[:, 0], drawn.embeddings[:, 0])


def test_unprepared_samples_ask_the_teacher_about_the_best_proposals():
    proposals = regions([[8, 8, 16, 16], [0, 0, 8, 8], [20, 20, 30, 30]])
    student = torch.zeros(2, 3, requires_grad=True)
    record, asked = flow(proposals=proposals, student=student)
    teacher = CropTeacher(MeanColour(), crop_size=8)
    loss = VildDistillation(teacher, count=2, weight=1.0)(record)["loss_vild"]
    assert torch.equal(asked[0][0].boxes, proposals.boxes[:2])
    expected = teacher(record.images, proposals[:2]).abs().sum(dim=1).mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert student.grad.abs().sum() > 0


def test_no_region_is_no_loss_but_a_graph():
    record, _ = flow(prepared=regions([], torch.zeros(0, 3)))
    loss = VildDistillation()(record)["loss_vild"]
    loss.backward()
    assert loss.item() == 0
    assert record.features[0].grad is not None


def test_neither_teacher_nor_preparation_is_told():
    record, _ = flow(proposals=regions([[0, 0, 4, 4]]))
    with pytest.raises(InputError, match=r"needs a teacher, or .* 1 of 1"):
        VildDistillation()(record)


def test_the_labeler_writes_down_what_the_teacher_saw():
    best = regions([[8, 8, 16, 16], [0, 0, 8, 8], [1, 1, 5, 5]])
    detector = nn.Module()
    detector.trunk = nn.Identity()
    detector.proposals = lambda _levels, _images: (best, {})
    teacher = CropTeacher(MeanColour(), crop_size=8)
    before = Sample(picture(), image_id=7, captions=("a square",))
    after = VildLabeler(detector, teacher, count=2)(before)
    assert before.proposals is None
    assert (after.image_id, after.captions) == (7, ("a square",))
    assert torch.equal(after.proposals.boxes, best.boxes[:2])
    torch.testing.assert_close(after.proposals.embeddings, teacher(picture()[None], best[:2]))
