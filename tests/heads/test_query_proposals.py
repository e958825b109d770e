import pytest
import torch

from ovdet.heads import QueryEncoder, QueryProposals, SetCriterion
from ovdet.structures import Regions

SIDE = 64


def proposals(**changes):
    torch.manual_seed(0)
    encoder = QueryEncoder((3, 5), 16, layers=0)
    return QueryProposals(encoder, SetCriterion(copies=2), count=7, **changes)


def levels():
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, 3, 8, 8, generator=generator),
        torch.randn(2, 5, 4, 4, generator=generator),
    ]


def images():
    return torch.zeros(2, 3, SIDE, SIDE)


def truth():
    boxes = torch.tensor([[4.0, 6, 30, 28], [34, 30, 60, 62]])
    owner = torch.zeros(2, dtype=torch.int64)
    return Regions(boxes, owner, labels=torch.tensor([5, 9]))  # classes mean nothing here


def test_the_best_first_within_the_canvas():
    regions, losses = proposals()(levels(), images())
    assert losses == {}
    assert len(regions) == 2 * 7
    for index in range(2):
        own = regions.of_image(index)
        assert len(own) == 7
        assert own.scores.tolist() == sorted(own.scores.tolist(), reverse=True)
    regions.check("the proposals")
    assert regions.boxes.min() >= 0
    assert regions.boxes.max() <= SIDE


def test_untrained_guesses_are_squares_about_the_cells():
    outlook = proposals(size=0.25).look(levels())
    torch.testing.assert_close(outlook.boxes[0, 0], torch.tensor([1 / 16, 1 / 16, 0.25, 0.25]))
    torch.testing.assert_close(outlook.boxes[1, -1], torch.tensor([7 / 8, 7 / 8, 0.5, 0.5]))


def test_all_objects_teach_one_class():
    part = proposals()
    _, losses = part(levels(), images(), [truth(), truth()[:0]])
    assert set(losses) == {f"loss_proposal_{n}" for n in ("class", "distance", "overlap")}
    sum(losses.values()).backward()
    assert part.objectness.weight.grad.abs().sum() > 0
    assert part.mover.layers.last.weight.grad.abs().sum() > 0


def test_images_that_are_not_boxed_teach_nothing():
    part = proposals()
    outlook = part.look(levels())
    one = part.loss(outlook, [None, truth()], images())
    outlook.logits.retain_grad()
    sum(one.values()).backward()
    assert outlook.logits.grad[0].abs().sum() == 0
    assert outlook.logits.grad[1].abs().sum() > 0


@pytest.mark.parametrize(("content", "taught"), [("place", False), ("token", True)])
def test_what_a_query_asks_at_first(content, taught):
    part = proposals(content=content)
    outlook = part.look(levels())
    queries = part.queries(outlook)
    assert queries.content.shape == queries.place.shape == (2, 7, 16)
    assert not queries.boxes.requires_grad
    torch.testing.assert_close(queries.boxes[1, 0], outlook.boxes[1, outlook.best[1, 0]])
    queries.content.sum().backward()
    assert (part.read[0].weight.grad is not None) is taught


def test_other_contents_are_unknown():
    with pytest.raises(ValueError, match=r"content must be one of .* got 'box'"):
        proposals(content="box")


def test_fewer_tokens_than_queries():
    small = [torch.randn(2, 3, 1, 2), torch.randn(2, 5, 1, 1)]
    regions, _ = proposals()(small, images())
    assert len(regions) == 2 * 3
