"""The best (region, name) pairs among very many, without the matrix of all of them. No state.

Shapes: R regions, C classes, D width, B images, K pairs an image, N background vectors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ovdet.ops.best import best_places
from ovdet.ops.blocks import best_of_blocks, bound_blocks, pays
from ovdet.ops.comparison import Comparison
from ovdet.structures import InputError

_AT_ONCE = 2**22  # scores held at a time where rows are whole: 16 MiB in float32

Fuse = Callable[[list[Tensor]], Tensor]
_Pairs = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class TopPairs:
    """The best pairs of each image, best first; -1 fills up where there are fewer.

    Attributes:
        scores: [B, K].
        regions: [B, K], int64, rows of the embeddings.
        labels: [B, K], int64, rows of the classes.
    """

    scores: Tensor
    regions: Tensor
    labels: Tensor

    def of_image(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores, regions and labels of one image, without what fills up."""
        count = int((self.regions[index] >= 0).sum())
        return self.scores[index, :count], self.regions[index, :count], self.labels[index, :count]


def region_text_topk(
    comparisons: Sequence[Comparison],
    owner: Tensor,
    *,
    images: int,
    count: int,
    threshold: float = -1.0,
    fuse: Fuse | None = None,
) -> TopPairs:
    """Return the best (region, class) pairs of every image; the [R, C] matrix is never held.

    Exact: the pairs are those that the full matrix and a stable sort would give. Pairs of equal
    score come by region, then by class (a sigmoid is ranked by its logit, which still differs
    where the sigmoid has reached 1). A score depends on its own region and name alone, up to a
    softmax's sum. No gradient passes.

    With one comparison and many names a rough product, in half precision where the machine
    multiplies it faster, bounds the largest logit of every 32 names; only where the bound reaches
    the best pairs found so far is it computed in full. Rows are otherwise taken some at a time.

    Args:
        comparisons: One, or several of the same R and C, whose probabilities are joined. Half
            precision is computed in float32.
        owner: [R], int64, the image of each region; regions of a negative one take no part.
        images: B.
        count: K, most pairs an image.
        threshold: Scores must be above it.
        fuse: Joins the probabilities, one [r, C] of each comparison for r of the regions, to
            scores [r, C]; needed where there are several.

    Returns:
        Scores float32, or float64 for float64.

    Raises:
        InputError: If ``owner`` is not [R], ``count`` is below 1, comparisons differ in R or C, or
            are several without ``fuse``.
    """
    _check(comparisons, owner, count, fuse)
    first = comparisons[0]
    with torch.no_grad(), torch.autocast(owner.device.type, enabled=False):
        if fuse is None and first.groups is None:
            numbers = [first.scale, float(first.softmax), threshold]
            tensors = (first.embeddings, first.classes, owner, first.background, first.bias)
            return TopPairs(*_single(*tensors, numbers, [images, count]))
        wide = [comparison.wide() for comparison in comparisons]

        def joined(rows: Tensor) -> Tensor:
            parts = [one.probabilities(rows) for one in wide]
            return parts[0] if fuse is None else fuse(parts)

        parts = [
            _by_rows(joined, rows, len(first.classes), count, threshold)
            for rows in _rows_of_images(owner, images)
        ]
        return TopPairs(*_filled(parts, count, wide[0].embeddings))


@torch.library.custom_op(
    "ovdet::region_text_topk",
    mutates_args=(),
    schema="(Tensor embeddings, Tensor classes, Tensor owner, Tensor? background, Tensor? bias, "
    "float[] numbers, int[] sizes) -> (Tensor, Tensor, Tensor)",
)
def _single(
    embeddings: Tensor,
    classes: Tensor,
    owner: Tensor,
    background: Tensor | None,
    bias: Tensor | None,
    numbers: Sequence[float],
    sizes: Sequence[int],
) -> _Pairs:
    """One comparison; ``numbers`` are scale, softmax and threshold, ``sizes`` are B and K."""
    scale, softmax, threshold = numbers
    images, count = sizes
    asked = Comparison(embeddings, classes, scale, bool(softmax), background, bias).wide()
    per_image = _rows_of_images(owner, images)
    if pays(asked, images * count):
        bounds = bound_blocks(asked)
        parts = [best_of_blocks(asked, bounds, rows, count, threshold) for rows in per_image]
    else:
        parts = [_alone(asked, rows, count, threshold) for rows in per_image]
    return _filled(parts, count, asked.embeddings)


@_single.register_fake
def _(
    embeddings: Tensor,
    classes: Tensor,
    owner: Tensor,
    background: Tensor | None,  # noqa: ARG001 - the operator's own signature
    bias: Tensor | None,  # noqa: ARG001
    numbers: Sequence[float],  # noqa: ARG001
    sizes: Sequence[int],
) -> _Pairs:
    both = torch.promote_types(embeddings.dtype, classes.dtype)
    scores = embeddings.new_empty(tuple(sizes), dtype=torch.promote_types(both, torch.float32))
    places = owner.new_empty(tuple(sizes), dtype=torch.int64)
    return scores, places, torch.empty_like(places)


def _alone(asked: Comparison, rows: Tensor, count: int, threshold: float) -> _Pairs:
    floor = asked.floor(threshold)
    keys, regions, labels = _by_rows(asked.keys, rows, len(asked.classes), count, floor)
    scores = asked.scores(keys)
    above = scores > threshold
    return scores[above], regions[above], labels[above]


def _by_rows(
    keys_of: Callable[[Tensor], Tensor], rows: Tensor, classes: int, count: int, floor: float
) -> _Pairs:
    """Return keys, regions and classes of the best pairs of some regions, rising ``rows``."""
    best: Tensor | None = None
    index = rows.new_zeros(0)
    for some in torch.split(rows, max(1, _AT_ONCE // max(classes, 1))):
        keys = keys_of(some).flatten()
        # Later regions lose where they are equal: nothing below the last of the best counts.
        least = floor if best is None or len(best) < count else max(floor, float(best[-1]))
        place = best_places(keys, count, least)
        pairs = some[place // classes] * classes + place % classes
        best = keys[place] if best is None else torch.cat([best, keys[place]])
        index = torch.cat([index, pairs])
        order = best_places(best, count)
        best, index = best[order], index[order]
    if best is None:
        best = torch.zeros(0, device=rows.device)
    return best, index // max(classes, 1), index % max(classes, 1)


def _rows_of_images(owner: Tensor, images: int) -> list[Tensor]:
    return [(owner == image).nonzero().flatten() for image in range(images)]


def _filled(parts: Sequence[_Pairs], count: int, like: Tensor) -> _Pairs:
    """Return the pairs of all images as [B, K], filled up with -1."""
    scores = like.new_full((len(parts), count), -1)
    regions = torch.full((len(parts), count), -1, device=like.device)
    labels = torch.full_like(regions, -1)
    for image, part in enumerate(parts):
        for whole, own in zip((scores, regions, labels), part, strict=True):
            whole[image, : len(own)] = own
    return scores, regions, labels


def _check(comparisons: Sequence[Comparison], owner: Tensor, count: int, fuse: Fuse | None) -> None:
    if len(comparisons) != 1 and (fuse is None or not comparisons):
        raise InputError(f"several comparisons need fuse, one does not, got {len(comparisons)}")
    shapes = {(len(one.embeddings), len(one.classes)) for one in comparisons}
    if len(shapes) > 1:
        raise InputError(f"comparisons must be of the same R and C, got {sorted(shapes)}")
    if owner.shape != comparisons[0].embeddings.shape[:1]:
        regions = len(comparisons[0].embeddings)
        raise InputError(f"owner must be [{regions}], got {list(owner.shape)}")
    if count < 1:
        raise InputError(f"count must be at least 1 pair, got {count}")
