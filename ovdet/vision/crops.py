"""The crop teacher: what an image encoder sees in a box, for methods that teach regions with it."""

import torch
from torch import Tensor, nn

from ovdet.ops import crop_regions, crop_resize, enlarge, square_boxes, unit_norm
from ovdet.ops.crop_resize import RESAMPLES
from ovdet.registry import MODELS
from ovdet.structures import Regions
from ovdet.vision.frozen import Frozen


@MODELS.register_module()
class CropTeacher(nn.Module):
    """What an image encoder sees in a box: the object itself, then with its surroundings.

    Args:
        encoder: Crops [R, 3, S, S], RGB in [0, 1], to embeddings [R, D]. Frozen here.
        crop_size: S, the encoder's input side, px.
        context: Side of the second, larger crop relative to the box; 1 looks at the box alone.
        resample: "bilinear" or "bicubic" cuts along whole pixels and resizes as one does with a
            picture file, which is what published teachers were fed with; None reads crops by
            RoIAlign, not rounded to pixels.
        keep_ratio: Look at the square about a box, so that nothing is squeezed or cut away; else
            the box is stretched to a square.
        chunk: Crops embedded at once.

    Raises:
        ValueError: If ``context`` is below 1 or ``resample`` is no filter.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        crop_size: int = 224,
        context: float = 1.5,
        resample: str | None = None,
        keep_ratio: bool = False,
        chunk: int = 256,
    ) -> None:
        super().__init__()
        if context < 1:
            raise ValueError(f"context must be >= 1 (1 keeps the tight box), got {context}")
        if resample not in (None, *RESAMPLES):
            raise ValueError(f"resample must be None or one of {RESAMPLES}, got {resample!r}")
        self.encoder = Frozen(encoder)
        self.crop_size = crop_size
        self.scales = (1.0, context) if context > 1 else (1.0,)
        self.resample = resample
        self.keep_ratio = keep_ratio
        self.chunk = chunk

    @torch.no_grad()
    def forward(self, images: Tensor, regions: Regions) -> Tensor:
        """Return the normalised sum of the views, [R, D], unit norm.

        Args:
            images: [B, 3, H, W], RGB in [0, 1].
            regions: R boxes, xyxy, px of ``images``.
        """
        if self.keep_ratio:
            height, width = images.shape[-2:]
            regions = regions.with_(boxes=square_boxes(regions.boxes, height, width))
        first, *others = [self._embed(images, enlarge(regions, s, images)) for s in self.scales]
        return unit_norm(sum(others, first))

    def _embed(self, images: Tensor, regions: Regions) -> Tensor:
        starts = range(0, max(len(regions), 1), self.chunk)
        pieces = [regions[start : start + self.chunk] for start in starts]
        return torch.cat([self.encoder(self._crop(images, piece)) for piece in pieces])

    def _crop(self, images: Tensor, regions: Regions) -> Tensor:
        if self.resample is None:
            return crop_regions(images, regions, self.crop_size)
        return crop_resize(images, regions, self.crop_size, resample=self.resample)
