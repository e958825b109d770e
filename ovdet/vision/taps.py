"""A plain ViT read at several depths.

Shapes: B images, H W px, h w patches, c width, L taps, D embedding width.
"""

from collections.abc import Sequence
from typing import Any, Self

from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.vision.clip_vit import as_map


@MODELS.register_module()
class VitTaps(nn.Module):
    """What some blocks of a ViT give: their patches as maps, and their class tokens.

    Args:
        vit: A ``ClipVit`` or ``SmallVit``.
        blocks: Which blocks, counted from 0, in rising order.
        frozen: Whether nothing learns; else what no tap depends on asks for no gradients.
        pixels: How pictures are centred, in place of the tower's own way: for weights that were
            trained on with other statistics.

    Attributes:
        widths: c for each of ``blocks``.
        stride: Side of a patch, px.
        dim: D.

    Raises:
        ValueError: If a block is not there, ``blocks`` do not rise, or ``pixels`` come for a tower
            whose way of centring cannot be replaced.
    """

    def __init__(
        self,
        vit: nn.Module,
        blocks: Sequence[int],
        *,
        frozen: bool = False,
        pixels: nn.Module | None = None,
    ) -> None:
        super().__init__()
        tower: Any = vit
        count = len(tower.resblocks)
        if (
            not blocks
            or sorted(set(blocks)) != list(blocks)
            or not 0 <= blocks[0] <= blocks[-1] < count
        ):
            raise ValueError(f"blocks must rise from 0 to {count - 1}, got {tuple(blocks)}")
        if pixels is not None:
            if not hasattr(tower, "pixels"):
                raise ValueError(f"pixels cannot be replaced in a {type(vit).__name__}")
            tower.pixels = pixels
        self.vit = tower
        self.blocks = tuple(blocks)
        self.frozen = frozen
        self.widths = (tower.ln_post.weight.shape[0],) * len(blocks)
        self.stride: int = tower.stride
        self.dim: int = tower.dim
        still = [vit] if frozen else [*tower.resblocks[blocks[-1] + 1 :], tower.ln_post]
        for part in still:
            part.requires_grad_(requires_grad=False)
        tower.proj.requires_grad_(requires_grad=False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode; a frozen tower stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.vit.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return L maps [B, c, h, w], in the blocks' order, then L class tokens [B, c, 1, 1].

        Args:
            images: [B, 3, H, W], RGB in [0, 1].
        """
        taps, grid = self.vit.taps(images, self.blocks)
        return [*(as_map(t, grid) for t in taps), *(t[:, 0, :, None, None] for t in taps)]

    def embed(self, images: Tensor) -> Tensor:
        """Map pictures [B, 3, H, W] to [B, D], in the space of the text, not unit norm."""
        embeddings: Tensor = self.vit.embed(images)
        return embeddings
