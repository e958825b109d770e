import pytest
import torch

from ovdet.heads import FirstScores, GeometricScores


def test_first_is_first():
    first, second = torch.rand(3, 2), torch.rand(3, 2)
    assert FirstScores()([first, second], torch.zeros(2).bool()) is first


def test_vild_shares_by_hand():
    first, second = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.25]])
    scores = GeometricScores()([first, second], torch.tensor([False, True]))
    expected = torch.tensor([[2 ** (-4 / 3), 2 ** (-5 / 3)]])  # 2^-(2/3 + 2/3), 2^-(1/3 + 4/3)
    torch.testing.assert_close(scores, expected)


@pytest.mark.parametrize("share", [-0.1, 1.5])
@pytest.mark.parametrize("which", ["base_share", "novel_share"])
def test_shares_lie_in_the_unit_interval(which, share):
    with pytest.raises(ValueError, match=rf"a share must lie in \[0, 1\], got {share}"):
        GeometricScores(**{which: share})


def test_scores_and_the_first_branchs_background_sum_to_one_again():
    first = torch.tensor([[0.5, 0.25], [0.0, 0.0]])  # background 1 / 4 and 1
    second = torch.tensor([[0.125, 0.25], [0.5, 0.5]])
    fusion = GeometricScores(base_share=0.5, novel_share=1.0, normalize=True)
    scores = fusion([first, second], torch.tensor([False, True]))
    plain = torch.tensor([0.25, 0.25])  # sqrt(1 / 2 * 1 / 8), and the second branch alone
    torch.testing.assert_close(scores[0], plain / (0.25 + 0.25 + 0.25))
    assert scores[1, 0] < 1e-5  # sure background stays so on base classes
    assert ((scores >= 0) & (scores <= 1)).all()


def test_nothing_to_fuse():
    nothing = torch.zeros(0, 2)
    assert GeometricScores(normalize=True)([nothing, nothing], torch.zeros(2)).shape == (0, 2)


def test_a_branch_that_is_not_believed_about_base_classes_says_their_mean():
    first = torch.tensor([[0.5, 0.5, 0.5]])
    second = torch.tensor([[0.1, 0.3, 0.4]])
    novel = torch.tensor([False, False, True])
    fusion = GeometricScores(base_share=1.0, novel_share=1.0, mean_base=True)
    torch.testing.assert_close(fusion([first, second], novel), torch.tensor([[0.2, 0.2, 0.4]]))
    every = torch.tensor([True, True, True])
    torch.testing.assert_close(fusion([first, second], every), second)
    torch.testing.assert_close(fusion([first, second], ~every), second)  # a vocabulary of any names
