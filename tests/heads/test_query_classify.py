import math

import pytest
import torch

from ovdet.heads import ConditionClassifier, QueryClassifier
from ovdet.ops import unit_norm


def test_cosine_scaled_and_shifted():
    torch.manual_seed(0)
    part = QueryClassifier(4, 3, 2, scale=10.0, prior=0.1)
    hidden = torch.randn(2, 5, 4)
    classes = unit_norm(torch.randn(6, 3))
    logits = part(hidden, classes, 1)
    embeddings = part.project[1](hidden)
    cosine = torch.cosine_similarity(embeddings[:, :, None], classes[None, None], dim=-1)
    torch.testing.assert_close(logits, 10 * cosine - math.log(9), rtol=1e-4, atol=1e-4)


def test_novel_columns_are_left_alone_unless_labelled():
    novel = torch.tensor([False, True, False])
    assert QueryClassifier(4, 3, 1).learnt(novel).tolist() == [True, False, True]
    oracle = QueryClassifier(4, 3, 1, mask_novel=False)
    assert oracle.learnt(novel).tolist() == [True, True, True]


def test_a_condition_has_one_column_that_starts_unlikely():
    part = ConditionClassifier(4, 2, prior=0.01)
    logits = part(torch.zeros(2, 3, 5, 4), torch.zeros(9, 3), 1)
    assert logits.shape == (2, 3, 5, 1)
    torch.testing.assert_close(logits.sigmoid(), torch.full((2, 3, 5, 1), 0.01))
    assert part.learnt(torch.tensor([False, True])).tolist() == [True]


def test_the_scale_is_positive():
    with pytest.raises(ValueError, match=r"scale must be positive, got -1\.0"):
        QueryClassifier(4, 3, 1, scale=-1.0)
