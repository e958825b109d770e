"""Blocks over score maps: by hand, and the same for every class."""

import pytest
import torch
import torch.nn.functional as F

from ovdet.heads import SmoothedPixelHead
from ovdet.structures import Text


class Given(torch.nn.Module):
    """A head that answers with the rows of the text, one constant map each, times the level."""

    def forward(self, levels, text, _):
        return levels[0] * text.classes[:, :1, None]


def smoothed(**options):
    torch.manual_seed(0)
    made = SmoothedPixelHead(Given(), **options)
    with torch.no_grad():
        for parameter in made.blocks.parameters():
            parameter.normal_()
    return made


def inputs(classes=4):
    torch.manual_seed(1)
    return [torch.randn(2, 1, 5, 6)], Text(classes=torch.randn(classes, 3))


@pytest.mark.parametrize("kind", ["depthwise", "bottleneck"])
def test_two_blocks_by_hand(kind):
    made = smoothed(kind=kind, depth=2, bend="lrelu")
    levels, text = inputs()
    raw = Given()(levels, text, None)
    first, second = made.blocks
    expected = torch.stack([first(raw[:, c : c + 1])[:, 0] for c in range(4)], dim=1)
    if kind == "bottleneck":
        expected = expected + raw.max(dim=1, keepdim=True).values
    expected = F.leaky_relu(expected)
    expected = torch.stack([second(expected[:, c : c + 1])[:, 0] for c in range(4)], dim=1)
    torch.testing.assert_close(made(levels, text, None), expected)


@pytest.mark.parametrize("kind", ["depthwise", "bottleneck"])
@pytest.mark.parametrize("bend", ["relu", "lrelu", "tanh"])
def test_names_in_another_order_come_out_in_that_order(kind, bend):
    made = smoothed(kind=kind, bend=bend, depth=3)
    levels, text = inputs()
    order = torch.tensor([2, 0, 3, 1])
    expected = made(levels, text, None)[:, order]
    torch.testing.assert_close(made(levels, text.rows(order), None), expected)


def test_it_starts_as_its_head():
    levels, text = inputs(classes=1)
    made = SmoothedPixelHead(Given(), kind="depthwise", depth=1)
    torch.testing.assert_close(made(levels, text, None), Given()(levels, text, None))


def test_what_is_unknown_is_told():
    with pytest.raises(ValueError, match="got 'wide', 'lrelu', 2"):
        SmoothedPixelHead(Given(), kind="wide")
