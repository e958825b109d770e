"""The best (region, name) pairs beside the whole matrix and torch's topk."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from case import Case

if TYPE_CHECKING:
    from torch import Tensor

_SCALE, _TOP = 50.0, 300
_SHAPES = ((1, 1000, 1203), (1, 1000, 20_000), (2, 1000, 20_000))  # images, regions each, names
_WIDTH = 512


def cases(device: str) -> Iterator[Case]:
    """Yield sigmoid and softmax of each shape; random unit vectors."""
    import torch

    from ovdet.ops import unit_norm

    generator = torch.Generator().manual_seed(0)
    for images, regions, names in _SHAPES:
        rows = unit_norm(torch.randn(images * regions, _WIDTH, generator=generator)).to(device)
        classes = unit_norm(torch.randn(names, _WIDTH, generator=generator)).to(device)
        for softmax in (False, True):
            yield _case(rows, classes, images, softmax=softmax)


def _case(rows: "Tensor", classes: "Tensor", images: int, *, softmax: bool) -> Case:
    import torch

    from ovdet.ops import Comparison, region_text_topk

    owner = torch.arange(images, device=rows.device).repeat_interleave(len(rows) // images)

    def ours() -> object:
        asked = Comparison(rows, classes, _SCALE, softmax)
        found = region_text_topk([asked], owner, images=images, count=_TOP)
        return found.scores, found.regions * len(classes) + found.labels

    def matrix() -> object:
        logits = _SCALE * rows @ classes.T
        scores = logits.softmax(dim=1) if softmax else logits.sigmoid()
        best, place = scores.view(images, -1).topk(_TOP, dim=1)
        first = torch.arange(images, device=rows.device)[:, None] * (scores.numel() // images)
        return best, place + first

    others: dict[str, Callable[[], object]] = {
        "whole matrix, topk": matrix,
        "product alone (no answer)": lambda: rows @ classes.T,
    }
    kind = "softmax" if softmax else "sigmoid"
    shape = f"{images} x {len(rows) // images:,} regions, {len(classes):,} names, {kind}"
    moved = (rows.numel() + classes.numel()) * rows.element_size()
    return Case("region_text_topk", shape, ours, others, _agree, moved)


def _agree(ours: object, other: object) -> str | None:
    """Compare scores; pairs may change places only within the rounding of their scores."""
    import torch

    if isinstance(other, torch.Tensor):
        return None  # the product alone, which answers nothing
    (scores, pairs), (expected, places) = ours, other
    if not torch.allclose(scores, expected, rtol=1e-4, atol=1e-7):
        return f"scores differ by up to {(scores - expected).abs().max():.1e}"
    for image in range(len(pairs)):
        alone = set(pairs[image].tolist()) ^ set(places[image].tolist())
        edge = (scores[image] <= scores[image, -1] * (1 + 1e-4)).sum()
        if len(alone) > 2 * int(edge):
            return f"{len(alone) // 2} pairs differ in image {image}"
    return None
