import torch

from ovdet.structures import MaskQueries


def test_queries_as_regions():
    torch.manual_seed(0)
    queries = MaskQueries(torch.randn(2, 3, 4), torch.randn(2, 3, 5, 6))
    regions = queries.regions(20, 24)
    assert regions.boxes.tolist() == [[0, 0, 24, 20]] * 6
    assert regions.owner.tolist() == [0, 0, 0, 1, 1, 1]
    torch.testing.assert_close(regions.masks[4], queries.logits[1, 1].sigmoid())
    torch.testing.assert_close(regions.embeddings[4], queries.vectors[1, 1])
    assert torch.equal(queries.of_images(torch.tensor([1])).logits, queries.logits[1:])
    assert queries.of_images(torch.tensor([1])).matches is None


def test_pairs_follow_their_images():
    matches = torch.tensor([[-1, 0], [1, -1]])
    queries = MaskQueries(torch.zeros(2, 2, 4), torch.zeros(2, 2, 5, 6), matches)
    assert queries.of_images(torch.tensor([True, False])).matches.tolist() == [[-1, 0]]


def test_halves_become_whole_masks():
    queries = MaskQueries(torch.zeros(1, 2, 4).bfloat16(), torch.zeros(1, 2, 5, 6).bfloat16())
    regions = queries.regions(20, 24)
    assert regions.masks.dtype is regions.boxes.dtype is torch.float32


def test_no_queries():
    assert len(MaskQueries(torch.zeros(2, 0, 4), torch.zeros(2, 0, 5, 6)).regions(20, 24)) == 0
