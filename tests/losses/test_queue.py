import pytest
import torch

from ovdet.losses import FeatureQueue


def rows(*numbers):
    images = torch.tensor(numbers, dtype=torch.int64)
    return images[:, None].expand(-1, 2).float(), images


def held(queue):
    features, images = queue()
    assert torch.equal(features[:, 0].long(), images)
    return sorted(images.tolist())


def test_the_oldest_make_room():
    queue = FeatureQueue(2, 4)
    assert held(queue) == []
    queue.push(*rows(1, 2, 3))
    assert held(queue) == [1, 2, 3]
    queue.push(*rows(4, 5))
    assert held(queue) == [2, 3, 4, 5]
    queue.push(*rows(6, 7, 8, 9, 10, 11))
    assert held(queue) == [8, 9, 10, 11]
    queue.push(*rows())
    assert len(queue) == 4


def test_ids_keep_all_their_bits():
    queue = FeatureQueue(1, 2)
    large = torch.tensor([2**53 + 1, 2**24 + 1])
    queue.push(torch.zeros(2, 1), large)
    assert torch.equal(queue()[1], large)


def test_what_is_read_is_a_copy():
    queue = FeatureQueue(2, 2)
    queue.push(*rows(1))
    before, _ = queue()
    queue.push(*rows(2, 3))
    assert before.tolist() == [[1, 1]]


def test_a_queue_of_nothing_stays_empty():
    queue = FeatureQueue(2, 0)
    queue.push(*rows(1, 2))
    assert held(queue) == []
    with pytest.raises(ValueError, match="length must be 0 or more, got -1"):
        FeatureQueue(2, -1)


def test_state_goes_round_and_no_gradient_is_kept():
    first, second = FeatureQueue(2, 3), FeatureQueue(2, 3)
    embeddings, images = rows(1, 2)
    first.push(embeddings.clone().requires_grad_(), images)
    second.load_state_dict(first.state_dict())
    assert held(second) == [1, 2]
    assert not second()[0].requires_grad
