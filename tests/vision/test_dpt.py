"""DPT against transformers' neck on the same weights."""

import re

import pytest
import torch
from torch import nn

from ovdet.vision import ClipVit, ClipVitShape, DptTrunk, Reassemble, SmallTrunk, VitTaps

WIDTHS, FACTORS = (6, 8, 10, 12), (4, 2, 1, 0.5)


class Given(nn.Module):
    """A trunk that answers with what it was given."""

    def __init__(self, levels, widths):
        super().__init__()
        self.levels, self.widths, self.stride = levels, widths, 16

    def forward(self, _):
        return self.levels


def neck():
    """Return transformers' neck with random weights and statistics."""
    from transformers import DPTConfig
    from transformers.models.dpt.modeling_dpt import DPTNeck

    config = DPTConfig(
        hidden_size=16,
        neck_hidden_sizes=list(WIDTHS),
        reassemble_factors=list(FACTORS),
        fusion_hidden_size=8,
        readout_type="project",
        use_batch_norm_in_fusion_residual=True,
        neck_ignore_stages=[],
        is_hybrid=False,
    )
    torch.manual_seed(0)
    made = DPTNeck(config).eval()
    with torch.no_grad():
        for name, value in made.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if "var" in name else value + 0.1)
    return made


_OURS = (
    (r"^reassemble_stage\.readout_projects\.", "trunk.readouts."),
    (r"^reassemble_stage\.layers\.(\d+)\.projection\.", r"trunk.projects.\1."),
    (r"^reassemble_stage\.layers\.(\d+)\.resize\.", r"trunk.resizes.\1."),
    (r"^convs\.", "laterals."),
    (r"^fusion_stage\.layers\.(\d+)\.projection\.", r"steps.\1.project."),
    (r"^fusion_stage\.layers\.(\d+)\.residual_layer1\.", r"steps.\1.lateral."),
    (r"^fusion_stage\.layers\.(\d+)\.residual_layer2\.", r"steps.\1.merged."),
    (r"convolution1\.", "first."),
    (r"convolution2\.", "second."),
    (r"batch_norm1\.", "first_norm."),
    (r"batch_norm2\.", "second_norm."),
)


def renamed(weights):
    ours = {}
    for their_name, value in weights.items():
        name = their_name
        for theirs, own in _OURS:
            name = re.sub(theirs, own, name)
        if not name.startswith("steps.0.lateral"):  # theirs is there, but never runs
            ours[name] = value
    return ours


@pytest.mark.parametrize("grid", [(4, 4), (3, 5)])
@torch.no_grad()
def test_agrees_with_transformers(grid):
    theirs = neck()
    tokens = [torch.randn(2, 1 + grid[0] * grid[1], 16) for _ in WIDTHS]
    maps = [t[:, 1:].transpose(1, 2).unflatten(2, grid) for t in tokens]
    levels = [*maps, *(t[:, 0, :, None, None] for t in tokens)]
    trunk = DptTrunk(Reassemble(Given(levels, (16,) * 4), WIDTHS, FACTORS), width=8).eval()
    trunk.load_state_dict(renamed(theirs.state_dict()))
    expected = theirs(tokens, *grid)[-1]
    found = trunk(torch.zeros(2, 3, 64, 64))[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert found.std() > 0.01


def test_a_vit_gives_half_the_size_of_its_pictures():
    vit = ClipVit(ClipVitShape(patch=16, width=16, layers=4, heads=2, dim=6, grid=2))
    trunk = DptTrunk(Reassemble(VitTaps(vit, (0, 1, 2, 3)), WIDTHS, FACTORS), width=8)
    (level,) = trunk(torch.rand(2, 3, 32, 64))
    assert level.shape == (2, 8, 16, 32)
    assert (trunk.widths, trunk.stride) == ((8,), 16)
    level.square().mean().backward()
    assert all(p.grad is not None for p in trunk.parameters() if p.requires_grad)


def test_a_pyramid_needs_no_reassembly():
    trunk = DptTrunk(SmallTrunk((4, 6, 8)), width=8)
    (level,) = trunk(torch.rand(2, 3, 32, 64))
    assert level.shape == (2, 8, 16, 32)
    assert trunk.stride == 32


def test_what_does_not_fit_is_told():
    given = Given([], (16,) * 2)
    with pytest.raises(ValueError, match="one entry a tap, 2, got 1 and 2"):
        Reassemble(given, (6,), (1, 2))
    with pytest.raises(ValueError, match=r"whole numbers or one over such, got 1\.5"):
        Reassemble(given, (6, 8), (1.5, 2))
