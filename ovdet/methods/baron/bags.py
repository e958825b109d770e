"""What bags learn: the image encoder's view of the box around them, or the captions of a picture.

Shapes: U distinct regions, S sentences of at most M regions, n words of a region, W width of the
token table, D embedding width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.losses import GroupedInfoNce, PairedInfoNce
from ovdet.methods.baron.sampling import BaronCentres, BaronNeighbours
from ovdet.methods.baron.words import BaronEmbedder, BaronPositions
from ovdet.registry import MODELS
from ovdet.structures import Flow, InputError, Regions


@dataclass
class _Sentences:
    """Bags in the orders in which they are told.

    Attributes:
        regions: The U regions they speak of.
        rows: [S, M], int64, index into ``regions``; 0 where a sentence has fewer.
        there: [S, M], bool.
        spans: [S, 4], the box around each bag, xyxy, px.
        bags: [S], int64, which bag a sentence tells.
        owner: [S], int64, the image it lies in.
    """

    regions: Regions
    rows: Tensor
    there: Tensor
    spans: Tensor
    bags: Tensor
    owner: Tensor

    def words(self, embedder: BaronEmbedder, flow: Flow) -> Tensor:
        """Return the words of the regions, [U, n, W]."""
        if len(self.regions) == 0:
            nothing = flow.features[0].new_zeros(0, embedder.count, embedder.width)
            return nothing + flow.features[0].sum() * 0
        size = max(flow.images.shape[-2:])
        return embedder.words(embedder.hidden(flow.features, self.regions, size))

    def read(self, embedder: BaronEmbedder, words: Tensor, positions: BaronPositions) -> Tensor:
        """Read the sentences, whose regions say [U, n, W]: [S, D], unit norm."""
        told = words[self.rows]  # [S, M, n, W]
        spans = self.spans[:, None].expand(-1, self.rows.shape[1], -1)
        told = told + positions(self.regions.boxes[self.rows], spans)
        kept = embedder.keep(told.shape[:-1], told.device) & self.there[..., None]
        return embedder.read(told.flatten(1, 2), kept.flatten(1))


@MODELS.register_module()
class BaronBags(nn.Module):
    """Bags of neighbours against the teacher's view of the box around them (Sec. 3.3).

    Args:
        teacher: (images, regions) to embeddings [R, D].
        centres: (regions of an image, height, width) to the centres of its bags.
        neighbours: (centres, sizes) to cells and bags.
        positions: Where a region lies in its bag; None where no bag is told.
        bags: The contrast of bags, or None; (students, teachers, bags, images) to a scalar.
        singles: The contrast of single regions with the teacher's view of each, or None.
        settings: Weights and the branch that learns.

    Raises:
        ValueError: If there is neither contrast, or bags without positions.
    """

    def __init__(
        self,
        teacher: nn.Module,
        centres: BaronCentres,
        neighbours: BaronNeighbours,
        *,
        positions: BaronPositions | None = None,
        bags: PairedInfoNce | None = None,
        singles: PairedInfoNce | None = None,
        settings: "BaronSettings | None" = None,
    ) -> None:
        super().__init__()
        if bags is None and singles is None:
            raise ValueError("there must be a contrast of bags, of singles, or both")
        if bags is not None and positions is None:
            raise ValueError("bags need positions")
        self.teacher = teacher
        self.centres = centres
        self.neighbours = neighbours
        self.positions = positions
        self.bags = bags
        self.singles = singles
        self.settings = settings or BaronSettings()

    def forward(self, flow: Flow) -> dict[str, Tensor]:
        """Draw bags on all images and compare them.

        Args:
            flow: Reads ``samples``, ``images``, ``features``, ``proposals`` and ``embedders``.

        Returns:
            ``loss_bags`` and ``loss_singles``, those that are learnt; 0, still on the graph, where
            there is no region.
        """
        embedder = _embedder(flow, self.settings.branch)
        told = self.draw(flow)
        words = told.words(embedder, flow)
        ids = torch.tensor([s.image_id for s in flow.samples], device=flow.images.device)
        losses: dict[str, Tensor] = {}
        if self.bags is not None and self.positions is not None:
            students = told.read(embedder, words, self.positions)
            views = self._views(flow, told)
            contrast = self.bags(students, views, told.bags, ids[told.owner])
            losses["loss_bags"] = self.settings.bag_weight * contrast
        if self.singles is not None:
            regions = told.regions
            students = embedder.speak(words)
            views = self.teacher(flow.images, regions)
            itself = torch.arange(len(regions), device=ids.device)
            contrast = self.singles(students, views, itself, ids[regions.owner])
            losses["loss_singles"] = self.settings.single_weight * contrast
        return losses

    def _views(self, flow: Flow, told: _Sentences) -> Tensor:
        """Return the teacher's view of each sentence's bag, [S, D]; each bag is looked at once."""
        orders = told.bags.unique(return_inverse=True)[1]  # [S], which of the K bags
        first = told.bags.new_full((int(orders.max()) + 1 if len(orders) else 0,), len(orders))
        place = torch.arange(len(orders), device=orders.device)
        first = first.scatter_reduce(0, orders, place, "amin")  # [K], its first sentence
        views: Tensor = self.teacher(flow.images, Regions(told.spans[first], told.owner[first]))
        return views[orders]

    @torch.no_grad()
    def draw(self, flow: Flow) -> _Sentences:
        """Draw centres, their bags, and the orders in which each bag is told."""
        picked, sizes = [], []
        for index, sample in enumerate(flow.samples):
            height, width = sample.image.shape[1:]
            found = self.centres(_candidates(flow, index), height, width)
            picked.append(found)
            sizes += [[float(width), float(height)]] * len(found)
        centres = Regions.gather(picked)
        size = torch.tensor(sizes, device=centres.boxes.device).reshape(-1, 2)
        drawn = torch.randperm(len(centres), device=size.device)[: self.settings.most].sort().values
        centres = centres[drawn]
        cells, bags = self.neighbours(centres.boxes, size[drawn])
        return tell(cells, bags, centres.owner, self.settings.orders)


@MODELS.register_module()
@dataclass(frozen=True)
class BaronSettings:
    """How bags learn.

    Attributes:
        bag_weight: Multiplies the contrast of bags.
        single_weight: Multiplies the contrast of single regions.
        orders: In how many orders a bag is told at most.
        most: Centres a step, drawn at random from those of all images.
        branch: Index of the detector's branch whose words they are.
    """

    bag_weight: float = 1.0
    single_weight: float = 0.1
    orders: int = 2
    most: int = 256
    branch: int = 0


def tell(cells: Tensor, bags: Tensor, owner: Tensor, orders: int) -> _Sentences:
    """Put every bag into random orders.

    Args:
        cells: [K, 9, 4], xyxy, px.
        bags: [K, G, 9], bool; a bag without a member is left out.
        owner: [K], int64, the image of each centre.
        orders: Most orders of a bag; one of a single region has one.
    """
    used = bags.any(dim=1)  # [K, 9]
    row_of = used.flatten().cumsum(0).sub(1).view_as(used)
    regions = Regions(cells[used], owner[:, None].expand_as(used)[used])
    centre, group = bags.any(dim=-1).nonzero(as_tuple=True)  # [N]
    members = bags[centre, group]  # [N, 9]
    size = members.sum(dim=1)
    keys = torch.rand(len(members), orders, 9, device=cells.device)
    order = keys.masked_fill(~members[:, None], 2.0).argsort(dim=-1)  # members first
    useful = torch.arange(orders, device=cells.device) < size[:, None]  # one region, one order
    bag, copy = useful.nonzero(as_tuple=True)  # [S]
    order = order[bag, copy]
    there = torch.arange(9, device=cells.device) < size[bag][:, None]
    rows = row_of[centre[bag]].gather(1, order).where(there, 0)
    inside = members[bag][..., None]
    own = cells[centre[bag]]
    low = own[..., :2].masked_fill(~inside, float("inf")).amin(dim=1)
    high = own[..., 2:].masked_fill(~inside, float("-inf")).amax(dim=1)
    return _Sentences(regions, rows, there, torch.cat([low, high], 1), bag, owner[centre[bag]])


@MODELS.register_module()
class BaronCaptions(nn.Module):
    """Bags of a picture's regions against its captions (Sec. 3.4).

    All images with captions learn, boxed or not. A sentence tells random regions of the picture and
    the whole picture itself; each caption of the picture is right for it.

    Args:
        centres: (regions of an image, height, width) to regions worth telling.
        positions: Where a region lies in the picture.
        contrast: (students, captions, their images, the captions' images) to a scalar.
        regions: Most of them in a sentence, beside the picture.
        orders: Sentences of a picture.
        weight: Multiplies the loss.
        branch: Index of the detector's branch whose words they are.
    """

    def __init__(
        self,
        centres: BaronCentres,
        positions: BaronPositions,
        contrast: GroupedInfoNce,
        *,
        regions: int = 10,
        orders: int = 4,
        weight: float = 10.0,
        branch: int = 0,
    ) -> None:
        super().__init__()
        self.centres = centres
        self.positions = positions
        self.contrast = contrast
        self.regions = regions
        self.orders = orders
        self.weight = weight
        self.branch = branch

    def forward(self, flow: Flow) -> dict[str, Tensor]:
        """Compare pictures, told as bags, with their captions.

        Args:
            flow: Reads ``samples``, ``images``, ``features``, ``proposals`` and ``embedders``.

        Returns:
            ``loss_captions``, a scalar; 0, still on the graph, where no sample has a caption.
        """
        embedder = _embedder(flow, self.branch)
        told = self.draw(flow)
        said = [(i, text) for i, s in enumerate(flow.samples) for text in s.captions]
        students = told.read(embedder, told.words(embedder, flow), self.positions)
        ids = torch.tensor([s.image_id for s in flow.samples], device=flow.images.device)
        owner = torch.tensor([i for i, _ in said], dtype=torch.int64, device=ids.device)
        captions = embedder.encoder.encode([text for _, text in said]).to(students)
        contrast = self.contrast(students, captions, ids[told.owner], ids[owner])
        return {"loss_captions": self.weight * contrast}

    @torch.no_grad()
    def draw(self, flow: Flow) -> _Sentences:
        """Draw regions of the captioned images and the orders in which they are told."""
        parts: list[Regions] = []
        rows: list[Tensor] = []
        device = flow.images.device
        captioned = [i for i, sample in enumerate(flow.samples) if sample.captions]
        for index in captioned:
            height, width = flow.samples[index].image.shape[1:]
            whole = torch.tensor([[0.0, 0.0, width, height]], device=device)
            found = self.centres(_proposals(flow, index), height, width)
            found = found[torch.randperm(len(found), device=device)[: self.regions]]
            boxes = torch.cat([found.boxes, whole])
            start = sum(map(len, parts))
            parts.append(Regions(boxes, torch.full((len(boxes),), index, device=device)))
            keys = torch.rand(self.orders, len(boxes), device=device)
            rows += list(keys.argsort(dim=1) + start)
        return _together(parts, rows, captioned, self.orders, flow)


def _together(
    parts: list[Regions], rows: list[Tensor], images: list[int], orders: int, flow: Flow
) -> _Sentences:
    """Join the sentences of several images, ``orders`` of each."""
    device = flow.images.device
    owner = torch.tensor(images, dtype=torch.int64, device=device).repeat_interleave(orders)
    if not parts:
        nothing = torch.zeros(0, 1, dtype=torch.int64, device=device)
        empty = Regions.empty(device)
        return _Sentences(empty, nothing, nothing.bool(), empty.boxes, owner, owner)
    regions = Regions(
        torch.cat([part.boxes for part in parts]), torch.cat([part.owner for part in parts])
    )
    padded = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
    sides = [flow.samples[i].image.shape[1:] for i in images]
    spans = torch.tensor([[0.0, 0.0, w, h] for h, w in sides], device=device)
    there = padded >= 0
    spans = spans.repeat_interleave(orders, dim=0)
    return _Sentences(regions, padded.clamp(min=0), there, spans, owner, owner)


def _embedder(flow: Flow, branch: int) -> BaronEmbedder:
    embedders: Sequence[Any] = flow.embedders
    if branch >= len(embedders) or not isinstance(embedders[branch], BaronEmbedder):
        found = [type(one).__name__ for one in embedders]
        raise InputError(f"branch {branch} must have a BaronEmbedder, the branches have {found}")
    found_one: BaronEmbedder = embedders[branch]
    return found_one


def _proposals(flow: Flow, index: int) -> Regions:
    regions = flow.proposals if flow.proposals is not None else Regions.empty(flow.images.device)
    found = regions.of_image(index)
    scores = found.scores if found.scores is not None else found.boxes.new_ones(len(found))
    return Regions(found.boxes, torch.zeros_like(found.owner), scores)


def _candidates(flow: Flow, index: int) -> Regions:
    """Return an image's proposals and, with a score of 1, its annotated objects."""
    found, sample = _proposals(flow, index), flow.samples[index]
    if not sample.boxed or len(sample.truth) == 0:
        return found
    known = sample.truth.boxes.to(found.boxes)
    boxes = torch.cat([known, found.boxes])
    scores = torch.cat([known.new_ones(len(known)), found.scores.to(known)])  # type: ignore[union-attr]
    return Regions(boxes, torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device), scores)
