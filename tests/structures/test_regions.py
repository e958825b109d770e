import pytest
import torch

from ovdet.structures import InputError, Regions

BOXES = torch.tensor([[0.0, 0, 2, 2], [1, 1, 4, 3], [5, 5, 6, 9]])


def regions(count=3, **fields):
    return Regions(BOXES[:count], torch.zeros(count, dtype=torch.int64), **fields)


def test_empty_is_empty_everywhere():
    empty = Regions.empty()
    assert len(empty) == 0
    assert len(empty.of_image(0)) == 0
    assert len(empty[torch.zeros(0, dtype=torch.bool)]) == 0
    empty.check("nothing")
    assert len(Regions.gather([])) == 0
    assert len(Regions.gather([empty, empty])) == 0


def test_gather_renumbers_the_owners():
    joined = Regions.gather([regions(2), Regions.empty(), regions(3)])
    assert joined.owner.tolist() == [0, 0, 2, 2, 2]
    assert torch.equal(joined.boxes, torch.cat([BOXES[:2], BOXES]))


def test_gather_keeps_a_field_that_all_have():
    both = regions(1, scores=torch.tensor([0.5]), labels=torch.tensor([4]))
    one = regions(1, scores=torch.tensor([0.25]))
    joined = Regions.gather([both, one])
    assert joined.scores.tolist() == [0.5, 0.25]
    assert joined.labels is None


def test_an_image_without_regions_takes_no_field_away():
    labelled = regions(2, labels=torch.tensor([3, 1]), masks=torch.ones(2, 4, 4).bool())
    joined = Regions.gather([Regions.empty(), labelled, Regions.empty()])
    assert joined.labels.tolist() == [3, 1]
    assert joined.masks.all()
    assert joined.owner.tolist() == [1, 1]


def test_gather_pads_masks_as_a_batch_pads_images():
    tall = regions(1, masks=torch.ones(1, 4, 2, dtype=torch.bool))
    wide = regions(2, masks=torch.ones(2, 3, 5, dtype=torch.bool))
    joined = Regions.gather([tall, wide])
    assert joined.masks.shape == (3, 4, 5)
    assert joined.masks.dtype == torch.bool
    assert joined.masks.sum(dim=(1, 2)).tolist() == [8, 15, 15]
    assert joined.masks[0, :4, :2].all()
    assert joined.masks[1, :3, :5].all()


def test_of_image_undoes_gather():
    parts = [regions(2, labels=torch.tensor([3, 1])), regions(3, labels=torch.tensor([0, 2, 5]))]
    joined = Regions.gather(parts)
    for index, part in enumerate(parts):
        back = joined.of_image(index)
        assert torch.equal(back.boxes, part.boxes)
        assert torch.equal(back.labels, part.labels)
    assert len(joined.of_image(2)) == 0


@pytest.mark.parametrize(
    ("index", "kept"),
    [
        (torch.tensor([2, 0]), [2, 0]),
        (torch.tensor([False, True, False]), [1]),
        (slice(1, None), [1, 2]),
    ],
)
def test_every_field_is_picked_alike(index, kept):
    whole = regions(
        scores=torch.tensor([0.1, 0.2, 0.3]),
        labels=torch.tensor([7, 8, 9]),
        masks=torch.arange(12).reshape(3, 2, 2),
        embeddings=torch.arange(6.0).reshape(3, 2),
    )
    part = whole[index]
    for field in ("boxes", "owner", "scores", "labels", "masks", "embeddings"):
        assert torch.equal(getattr(part, field), getattr(whole, field)[kept])


def test_with_replaces_and_leaves_the_rest():
    before = regions(scores=torch.rand(3))
    after = before.with_(scores=None, labels=torch.tensor([1, 2, 3]))
    assert after.scores is None
    assert after.labels.tolist() == [1, 2, 3]
    assert before.labels is None


def test_to_moves_every_tensor():
    moved = regions(scores=torch.rand(3)).to("meta")
    assert {moved.boxes.device.type, moved.owner.device.type, moved.scores.device.type} == {"meta"}


@pytest.mark.parametrize("shape", [(4,), (2, 5), (2, 4, 1)])
def test_boxes_are_r_by_four(shape):
    with pytest.raises(InputError, match=r"boxes must be \[R, 4\], got \["):
        Regions(torch.zeros(shape), torch.zeros(shape[0], dtype=torch.int64))


@pytest.mark.parametrize("field", ["owner", "scores", "labels", "masks", "embeddings"])
def test_fields_have_one_entry_a_box(field):
    fields = {"owner": torch.zeros(3, dtype=torch.int64), field: torch.zeros(2)}
    with pytest.raises(InputError, match=f"{field} must have one entry a box, got 2 for 3"):
        Regions(boxes=BOXES, **fields)


@pytest.mark.parametrize(
    "box", [[9.0, 4, 3, 8], [1, 8, 2, 4], [float("nan"), 0, 1, 1], [0, 0, float("inf"), 1]]
)
def test_check_names_the_box_and_its_image(box):
    boxes = torch.tensor([[0.0, 0, 1, 1], box])
    bad = Regions(boxes, torch.tensor([0, 2]))
    with pytest.raises(InputError, match=r"xyxy with x1 <= x2.*got \[.*\] in image 2 of the batch"):
        bad.check("the batch")


def test_check_passes_points_and_lines():
    Regions(torch.tensor([[1.0, 1, 1, 1], [0, 0, 5, 0]]), torch.zeros(2).long()).check("x")


def test_double_precision_stays():
    part = Regions(BOXES.double(), torch.zeros(3, dtype=torch.int64))
    assert Regions.gather([part, part]).boxes.dtype == torch.float64
