import torch
import torch.nn.functional as F

from ovdet.heads import Assignment, MaskHead
from ovdet.structures import Regions


def setting(masks=True):
    """One region whose truth is the upper half of its box, and one of background."""
    drawn = torch.zeros(1, 32, 32, dtype=torch.bool)
    drawn[0, 8:16, 8:24] = True
    truth = Regions(
        torch.tensor([[8.0, 8, 24, 24]]),
        torch.zeros(1, dtype=torch.int64),
        masks=drawn if masks else None,
    )
    boxes = torch.tensor([[0.0, 0, 4, 4], [8, 8, 24, 24]])
    regions = Regions(boxes, torch.zeros(2, dtype=torch.int64), labels=torch.tensor([1, 0]))
    return Assignment(regions, torch.tensor([-1, 0]), truth)


def levels():
    return [torch.rand(1, 8, 8, 8), torch.rand(1, 8, 4, 4)]


def test_shapes():
    head = MaskHead(8, convs=1, size=4)
    given = setting().regions
    assert head(levels(), given, 32).shape == (2, 8, 8)
    assert head(levels(), given[:0], 32).shape == (0, 8, 8)


def test_loss_by_hand():
    torch.manual_seed(0)
    head, maps, assignment = MaskHead(8, convs=1, size=4), levels(), setting()
    wanted = torch.zeros(1, 8, 8)
    wanted[:, :4] = 1  # the upper half of the box
    logits = head(maps, assignment.regions[torch.tensor([1])], 32)
    expected = F.binary_cross_entropy_with_logits(logits, wanted)
    torch.testing.assert_close(head.loss(maps, assignment, 32), expected)


def test_without_masks_or_objects_no_loss_but_a_graph():
    head, maps = MaskHead(8, convs=1, size=4), levels()
    assignment = setting()
    nothing = Assignment(assignment.regions, torch.tensor([-1, -1]), assignment.truth)
    for given in (setting(masks=False), nothing):
        head.zero_grad()
        loss = head.loss(maps, given, 32)
        loss.backward()
        assert loss.item() == 0
        assert head.layers[0].weight.grad is not None


def test_an_unknown_mask_is_not_learnt():
    torch.manual_seed(0)
    head, maps, known = MaskHead(8, convs=1, size=4), levels(), setting()
    masks = torch.cat([known.truth.masks, torch.zeros(1, 32, 32, dtype=torch.bool)])
    truth = Regions(
        torch.tensor([[8.0, 8, 24, 24], [0, 0, 4, 4]]), torch.zeros(2, dtype=torch.int64)
    ).with_(masks=masks)
    mixed = Assignment(known.regions, torch.tensor([1, 0]), truth)
    torch.testing.assert_close(head.loss(maps, mixed, 32), head.loss(maps, known, 32))


def test_unknown_masks_alone_give_no_loss_but_a_graph():
    head, maps, assignment = MaskHead(8, convs=1, size=4), levels(), setting()
    assignment.truth.masks[:] = False
    loss = head.loss(maps, assignment, 32)
    loss.backward()
    assert loss.item() == 0
    assert head.layers[0].weight.grad is not None


def test_it_can_learn_a_mask():
    torch.manual_seed(0)
    head, maps, assignment = MaskHead(8, convs=1, size=4), levels(), setting()
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    first = head.loss(maps, assignment, 32).item()
    for _ in range(30):
        optimizer.zero_grad()
        head.loss(maps, assignment, 32).backward()
        optimizer.step()
    assert head.loss(maps, assignment, 32).item() < first / 2
