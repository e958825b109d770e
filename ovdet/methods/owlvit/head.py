"""OWL-ViT's trunk and heads: every token of a plain ViT predicts a box and a class embedding.

Shapes: B images, H W px, h w patches, P = h * w places, c width, D embedding width, C classes.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.methods.owlvit.examples import choose_place
from ovdet.ops import from_centre_side, grid_cells
from ovdet.registry import MODELS
from ovdet.structures import DensePrediction, Text
from ovdet.vision.positions import resample_positions

_EPSILON = 1e-6  # beside a norm: the heads divide by norm + epsilon
_CLIPPED = 1e-4  # keeps the logarithms of the bias finite at the rim


@MODELS.register_module()
class OwlvitTrunk(nn.Module):
    """A ViT's patch tokens, each multiplied by the class token, then normalised ("mul-ln").

    Args:
        vit: Has ``last_tokens(images)``: [B, 1 + P, c] behind its last norm, the class token first,
            and (h, w); ``ln_post``, that norm; ``positional_embedding``, ``grid`` and ``stride``;
            and ``proj``, which is not read.
        size: Pictures are padded with black on the right and below to this side, px. The positions
            are stretched to that grid once and learn there; None takes pictures as they come.

    Attributes:
        stride: Side of a patch, px.

    Raises:
        ValueError: If ``size`` is no multiple of the patch; from ``forward``, if a picture is
            larger than ``size``.
    """

    def __init__(self, vit: nn.Module, *, size: int | None = None) -> None:
        super().__init__()
        tower: Any = vit
        tower.proj.requires_grad = False  # the heads have projections of their own
        self.vit: Any = tower
        self.norm = nn.LayerNorm(tower.ln_post.normalized_shape[0])
        self.size = size
        self.stride: int = tower.stride
        if size is not None:
            self._stretch(size)

    def _stretch(self, size: int) -> None:
        grid, rest = divmod(size, self.vit.stride)
        if rest:
            raise ValueError(f"size must be a multiple of the patch, got {size}, {self.vit.stride}")
        stretched = resample_positions(self.vit.positional_embedding.detach(), grid, grid)
        self.vit.positional_embedding = nn.Parameter(stretched.clone())
        self.vit.grid = grid

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return one level [B, c, h, w].

        Args:
            images: [B, 3, H, W], RGB in [0, 1].
        """
        tokens, grid = self.vit.last_tokens(self._padded(images))
        merged = self.norm(tokens[:, 1:] * tokens[:, :1])
        return [merged.transpose(1, 2).unflatten(2, grid)]

    def _padded(self, images: Tensor) -> Tensor:
        if self.size is None:
            return images
        height, width = images.shape[-2:]
        if max(height, width) > self.size:
            raise ValueError(
                f"pictures must have at most {self.size} px a side, got {height} x {width}"
            )
        return F.pad(images, (0, self.size - width, 0, self.size - height))


@MODELS.register_module()
class OwlvitHead(nn.Module):
    """Class embedding, calibration, box and (v2) objectness of every token.

    Args:
        width: c.
        dim: D.
        stride: Side of a patch, px.
        objectness: Whether there is an objectness head (v2); it reads features without gradients.
    """

    def __init__(self, width: int, dim: int, *, stride: int, objectness: bool = True) -> None:
        super().__init__()
        self.embed = nn.Linear(width, dim)
        nn.init.normal_(self.embed.weight, std=1e-6)
        nn.init.zeros_(self.embed.bias)
        self.shift = nn.Linear(width, 1)
        self.scale = nn.Linear(width, 1)
        self.box = _mlp(width, 4)
        nn.init.zeros_(self.box[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.box[-1].bias)  # type: ignore[arg-type]
        self.objectness = _mlp(width, 1) if objectness else None
        self.stride = stride

    def forward(self, levels: list[Tensor], text: Text, images: Tensor) -> DensePrediction:  # noqa: ARG002
        """Predict at every token.

        Args:
            levels: The last one is read, [B, c, h, w].
            text: ``classes`` [C, D], unit norm, or the mean of several unit vectors of a class.
            images: Not read: the grid tells the size.
        """
        height, width = levels[-1].shape[-2:]
        features = levels[-1].flatten(2).transpose(1, 2)  # [B, P, c]
        raw = self.embed(features).float()
        prediction = DensePrediction(
            boxes=self._boxes(features, height, width),
            logits=raw,
            places=grid_cells(height, width, self.stride).to(raw.device),
            embeddings=raw / (raw.norm(dim=-1, keepdim=True) + _EPSILON),
            shift=self.shift(features)[..., 0].float(),
            scale=F.elu(self.scale(features)[..., 0].float()) + 1,
        )
        if self.objectness is not None:
            prediction.quality = self.objectness(features.detach())[..., 0].float()
        prediction.logits = self.compare(prediction, text)
        return prediction

    def compare(self, prediction: DensePrediction, text: Text) -> Tensor:
        """Return the logits [B, P, C] of the places against other classes."""
        embeddings, shift, scale = prediction.embeddings, prediction.shift, prediction.scale
        if embeddings is None or shift is None or scale is None:
            raise ValueError("the prediction must come from this head, it has no calibration")
        cosine = embeddings @ text.classes.to(embeddings.dtype).T
        return (cosine + shift[..., None]) * scale[..., None]

    def represent(self, prediction: DensePrediction, box: Tensor) -> Tensor:
        """Return what stands for the object in a box, [D], unit norm (see ``choose_place``).

        Args:
            prediction: Of one picture, from this head.
            box: [4], xyxy, px of the network input.
        """
        if prediction.embeddings is None:
            raise ValueError("the prediction must come from this head, it has no embeddings")
        place = choose_place(prediction, box.to(prediction.boxes.device))
        return prediction.embeddings[0, place].float()

    def scores(self, logits: Tensor, text: Text) -> Tensor:  # noqa: ARG002 - one column a class
        """Return [B, P, C], in [0, 1]."""
        return logits.sigmoid()

    def _boxes(self, features: Tensor, height: int, width: int) -> Tensor:
        raw = self.box(features).float() + box_bias(height, width).to(features.device)
        extent = raw.new_tensor([width, height, width, height]) * self.stride
        return from_centre_side(raw.sigmoid() * extent)


def box_bias(height: int, width: int) -> Tensor:
    """Return the logits a box head starts from, [h * w, 4]: a patch-sized box at its own token.

    The centre is biased to ((x + 1) / w, (y + 1) / h), the token's far corner: published weights
    are trained so.
    """
    count = torch.tensor([width, height], dtype=torch.float32)
    centre = grid_cells(height, width, 1)[:, 2:] / count  # [P, 2], in (0, 1]
    side = (1 / count).expand_as(centre)
    parts = torch.cat([centre, side], dim=1)
    return torch.log(parts + _CLIPPED) - torch.log1p(_CLIPPED - parts)


def _mlp(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, width),
        nn.GELU(),
        nn.Linear(width, width),
        nn.GELU(),
        nn.Linear(width, outputs),
    )
