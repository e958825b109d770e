import torch

from ovdet.heads import RpnProposals
from ovdet.structures import Regions


def setting():
    torch.manual_seed(0)
    levels = [torch.rand(2, 8, 16, 16), torch.rand(2, 8, 8, 8)]
    images = torch.zeros(2, 3, 64, 64)
    truth = [
        Regions(torch.tensor([[8.0, 8, 24, 24]]), torch.zeros(1, dtype=torch.int64)),
        Regions.empty(),
    ]
    return levels, images, truth


def test_regions_lie_inside_their_images():
    levels, images, _ = setting()
    regions, losses = RpnProposals(8, (12, 24), test_top=20).eval()(levels, images)
    regions.check("the proposals")
    assert losses == {}
    assert regions.boxes.min() >= 0
    assert regions.boxes.max() <= 64
    assert regions.owner.tolist() == sorted(regions.owner.tolist())
    assert 0 < len(regions.of_image(0)) <= 20
    assert not regions.boxes.requires_grad


def test_losses_teach_and_an_image_may_be_empty():
    levels, images, truth = setting()
    rpn = RpnProposals(8, (12, 24), train_top=10).train()
    regions, losses = rpn(levels, images, truth)
    assert set(losses) == {"loss_objectness", "loss_rpn_box"}
    assert all(torch.isfinite(value) for value in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in rpn.parameters())
    assert len(regions.of_image(0)) <= 10


def test_it_learns_where_the_object_is():
    levels, images, truth = setting()
    levels = [torch.zeros_like(level) for level in levels]
    levels[0][0, :, 2:6, 2:6] = 1  # stride 4: the object's own cells
    rpn = RpnProposals(8, (16, 32), test_top=5).train()
    optimizer = torch.optim.Adam(rpn.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        sum(rpn(levels, images, truth)[1].values()).backward()
        optimizer.step()
    best = rpn.eval()(levels, images)[0].of_image(0).boxes[0]
    assert (best - truth[0].boxes[0]).abs().max() < 4
