"""Which boxes form a bag: centres among the proposals, then neighbours on a board of 3 x 3.

Shapes: K centres, G bags of each, H W px.
"""

import torch
from torch import Tensor, nn

from ovdet.ops import box_area
from ovdet.registry import MODELS
from ovdet.structures import Regions

_CENTRE = 4  # of the nine cells, row by row


@MODELS.register_module()
class BaronCentres(nn.Module):
    """Picks the regions of an image worth a bag (Sec. 3.2).

    Args:
        objectness: Least score; where no region reaches it the best one is kept.
        area: Least part of the image.
        aspect: Longer side over shorter side stays below.
        nms: Overlap above which the lower-scored region is dropped.
        top: Most regions looked at.
    """

    def __init__(
        self,
        *,
        objectness: float = 0.85,
        area: float = 0.01,
        aspect: float = 4.0,
        nms: float = 0.1,
        top: int = 300,
    ) -> None:
        super().__init__()
        self.objectness = objectness
        self.area = area
        self.aspect = aspect
        self.nms = nms
        self.top = top

    def forward(self, regions: Regions, height: int, width: int) -> Regions:
        """Return the picked ones of one image's regions, best first.

        Args:
            regions: With scores.
            height: H of the image.
            width: W of the image.
        """
        from torchvision.ops import nms

        if regions.scores is None or len(regions) == 0:
            return regions
        regions = regions[regions.scores.argsort(descending=True, stable=True)[: self.top]]
        scores = regions.scores if regions.scores is not None else regions.boxes[:, 0]
        sides = regions.boxes[:, 2:] - regions.boxes[:, :2]
        long, short = sides.amax(dim=1), sides.amin(dim=1)
        shaped = (long < self.aspect * short) & (
            box_area(regions.boxes) > self.area * height * width
        )
        good = shaped & (scores > self.objectness)
        if not good.any():
            return regions[:1]
        regions, scores = regions[good], scores[good]
        return regions[nms(regions.boxes.float(), scores.float(), self.nms)]


@MODELS.register_module()
class BaronNeighbours(nn.Module):
    """Draws bags about centres: boxes of the centre's size on a board of 3 x 3 (Sec. 3.2).

    All 256 boards that hold the centre are weighed at once, and G distinct ones are drawn without
    replacement: their log probabilities with Gumbel noise, the G greatest (Kool et al., 2019). That
    is what drawing boards until G differ comes to, without the draws in vain.

    Args:
        bags: G.
        chance: p0, of a neighbour along the shorter sides or of a square's; in [0, 1].
        shape: alpha: how quickly the chance falls along the longer sides.
        overlap: Of two cells that touch, as a part of their side.
        inside: Least part of a neighbour that lies inside the image.

    Raises:
        ValueError: If a part lies outside [0, 1] or ``bags`` outside 1 to 256.
    """

    boards: Tensor

    def __init__(
        self,
        *,
        bags: int = 3,
        chance: float = 0.3,
        shape: float = 3.0,
        overlap: float = 0.1,
        inside: float = 0.3,
    ) -> None:
        super().__init__()
        for name, part in (("chance", chance), ("overlap", overlap), ("inside", inside)):
            if not 0 <= part <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {part}")
        if not 1 <= bags <= 256:
            raise ValueError(f"bags must be 1 to 256, got {bags}")
        self.bags = bags
        self.chance = chance
        self.shape = shape
        self.overlap = overlap
        self.inside = inside
        bits = torch.arange(256)[:, None] >> torch.arange(8) & 1
        boards = torch.ones(256, 9, dtype=torch.bool)
        boards[:, torch.arange(9) != _CENTRE] = bits.bool()
        self.register_buffer("boards", boards, persistent=False)

    def forward(self, centres: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """Draw bags.

        Args:
            centres: [K, 4], xyxy, px.
            sizes: [K, 2], width and height of each centre's image, px.

        Returns:
            The nine cells of each board, row by row, clipped to the image, [K, 9, 4]; and which of
            them each bag holds, [K, G, 9], bool. A bag that could not be drawn holds none.
        """
        cells = self.cells(centres)
        chances = self.chances(centres, sizes)
        drawn = torch.where(self.boards, chances[:, None], 1 - chances[:, None])  # [K, 256, 9]
        weight = drawn.log().sum(dim=-1)
        noise = -torch.log(-torch.log(torch.rand_like(weight).clamp(1e-12, 1 - 1e-7)))
        best, index = (weight + noise).topk(self.bags, dim=1)
        bags = self.boards[index] & torch.isfinite(best)[..., None]
        limit = torch.cat([sizes, sizes], dim=1)[:, None].to(cells.dtype)
        return cells.clamp(min=0).minimum(limit), bags

    def cells(self, centres: Tensor) -> Tensor:
        """Return the nine boxes of each board, row by row, [K, 9, 4]."""
        step = torch.arange(-1, 2, device=centres.device)
        dy, dx = torch.meshgrid(step, step, indexing="ij")
        pitch = (centres[:, 2:] - centres[:, :2]) * (1 - self.overlap)  # [K, 2]
        shift = torch.stack([dx, dy], dim=-1).reshape(9, 2) * pitch[:, None]
        return centres[:, None] + torch.cat([shift, shift], dim=-1)

    def chances(self, centres: Tensor, sizes: Tensor) -> Tensor:
        """Return the chance of each cell, [K, 9]: 1 in the middle, 0 where the image ends."""
        side = (centres[:, 2:] - centres[:, :2]).clamp(min=1e-6)  # [K, 2], width and height
        long = side.flip(1) / side  # height over width for left and right, the inverse for up, down
        chance = (self.chance * long**self.shape).clamp(max=self.chance)  # [K, 2]
        pitch = side * (1 - self.overlap)
        before = ((centres[:, 2:] - pitch).clamp(min=0) / side).clamp(max=1) >= self.inside
        after = ((sizes - centres[:, :2] - pitch).clamp(min=0) / side).clamp(max=1) >= self.inside
        one = torch.ones_like(chance)
        lines = torch.stack([chance * before, one, chance * after], dim=1)  # [K, 3, 2]
        across, down = lines.unbind(dim=-1)
        both = down[:, :, None] * across[:, None]  # [K, 3, 3]
        corner = torch.ones(3, 3, dtype=torch.bool, device=both.device)
        corner[1], corner[:, 1] = False, False
        return torch.where(corner, both.sqrt(), both).flatten(1)
