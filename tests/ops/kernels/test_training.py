"""Fifty steps of training by the kernels and by what they stand for: the losses are the same."""

import importlib

import pytest
import torch
from contracts import CONFIGS, build_tiny
from kernels import DEVICE

from ovdet.ops import kernels
from ovdet.ops.kernels import roi_align

STEPS = 50
# Of learning. At 1e-3 a weight's last bit becomes 4 % of ViLD's loss and 1 % of OV-DETR's in fifty
# steps of the references alone: other regions are drawn, other queries matched.
RATES = {"filip": 1e-3, "vild": 1e-5, "ovdetr": 1e-4}
# The package holds functions of the same names, so the modules are asked for by theirs.
HOMES = [
    importlib.import_module(f"ovdet.ops.{name}")
    for name in ("roi_align", "crop_resize", "deform_attn", "token_max_sim")
]
SLOW = [
    pytest.param(n, marks=[pytest.mark.slow, pytest.mark.timeout(7200)]) for n in ("vild", "ovdetr")
]


class Propose:
    """The same proposals in every step.

    A detector's own are the best of many: of two whose scores differ in the last bit, another one
    is chosen after some steps, by torch alone as well (see ``tests/ops/test_training.py``).
    """

    def __init__(self, samples):
        near = [sample.truth.boxes.float().to(DEVICE) for sample in samples]
        apart = torch.tensor([[2.0, 3, 20, 30], [30, 8, 60, 40]], device=DEVICE)
        self.boxes = [torch.cat([boxes + 1.5, apart]) for boxes in near]

    def __call__(self, *_):
        return self.boxes, [torch.ones(len(boxes), device=DEVICE) for boxes in self.boxes]


def losses(name):
    """Return the summed loss of every step, [STEPS], from the same weights."""
    (path,) = [path for path in CONFIGS if path.stem == f"{name}_tiny_stickers"]
    case = build_tiny(path)
    case.model.to(DEVICE)
    if name == "vild":  # an interpreter takes seconds for what a GPU does at once
        case.model.sampler.count, case.model.objectives[0].count = 4, 2
        case.model.proposals.rpn.filter_proposals = Propose(case.samples)
    torch.manual_seed(0)
    learning = [p for p in case.model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=RATES[name])
    seen = []
    for _ in range(STEPS):
        total = case.total()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        seen.append(float(total.detach()))
    return torch.tensor(seen)


@pytest.mark.parametrize("name", ["filip", *SLOW])
def test_training_by_kernels_is_training_by_references(name, monkeypatch):
    calls = []

    def asked(tensor, live=kernels.runs_triton):
        calls.append(live(tensor))
        return calls[-1]

    for home in HOMES:
        monkeypatch.setattr(home, "runs_triton", asked)
    # A region a program: what an interpreter's program takes does not depend on its size.
    monkeypatch.setattr(roi_align, "TILE", 2**14)
    monkeypatch.setattr(roi_align, "APART", 2**8)
    by_kernels = losses(name)
    assert any(calls), "no kernel ran"
    for home in HOMES:
        monkeypatch.setattr(home, "runs_triton", lambda _: False)
    by_references = losses(name)
    assert by_references[-1] < by_references[0], "nothing was learnt"
    torch.testing.assert_close(by_kernels, by_references, rtol=1e-3, atol=0)
