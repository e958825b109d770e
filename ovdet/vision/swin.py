"""Swin Transformers as trunks, torchvision's.

Liu et al., "Swin Transformer", ICCV 2021, https://arxiv.org/abs/2103.14030. Names of weights are
torchvision's. Shapes: B images, H W px, c channels.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.vision.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelNorm
from ovdet.vision.pretrained import load_pretrained

_PATCH = 4  # px


@MODELS.register_module()
class SwinTrunk(nn.Module):
    """The stages of a Swin Transformer, each with a norm of its own behind it.

    Args:
        dim: c of the first stage; it doubles from stage to stage. The defaults are Swin-T.
        depths: Blocks of each stage.
        heads: Attention heads of each stage.
        window: Side of a window, patches.
        drop_path: Largest share of blocks left out in training, reached by the last one.
        keep: The stages whose levels come out, from 0 (stride 4).
        weights: A file of ImageNet weights in torchvision's layout: safetensors or a pickle of
            plain tensors, a path or a name in the zoo. Random without it; the norms behind the
            stages always begin anew.

    Attributes:
        widths: Channels of the levels.

    Raises:
        ValueError: If a stage to keep does not exist.
        InputError: If the file does not hold such a Swin Transformer.
    """

    def __init__(
        self,
        dim: int = 96,
        *,
        depths: Sequence[int] = (2, 2, 6, 2),
        heads: Sequence[int] = (3, 6, 12, 24),
        window: int = 7,
        drop_path: float = 0.2,
        keep: Sequence[int] = (1, 2, 3),
        weights: str | None = None,
    ) -> None:
        super().__init__()
        if not keep or not set(keep) <= set(range(len(depths))):
            raise ValueError(f"keep must name some of {len(depths)} stages, got {list(keep)}")
        from torchvision.models.swin_transformer import SwinTransformer

        made = SwinTransformer(
            [_PATCH, _PATCH],
            dim,
            list(depths),
            list(heads),
            [window, window],
            stochastic_depth_prob=drop_path,
            num_classes=1,
        )
        self.keep = tuple(sorted(keep))
        # Patches, then a stage and the merging behind it in turn; what comes after the last stage
        # that is kept is left out.
        self.features = made.features[: 2 * self.keep[-1] + 2]
        self.widths = tuple(dim * 2**stage for stage in self.keep)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in self.widths)
        self.pixels = PixelNorm(IMAGENET_MEAN, IMAGENET_STD)
        if weights is not None:
            kept = [f"{place}." for place in range(len(self.features))]
            load_pretrained(self.features, weights, "features.", kept)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return levels [B, c, h, w], finest first.

        Args:
            images: [B, 3, H, W], RGB in [0, 1]; the trunk centres them itself. Sides that are no
                multiple of 4 are filled up.
        """
        x = self.pixels(images)
        x = F.pad(x, (0, -x.shape[-1] % _PATCH, 0, -x.shape[-2] % _PATCH))
        states: dict[int, Tensor] = {}
        for place, part in enumerate(self.features):
            x = part(x)  # [B, h, w, c]
            if place % 2:
                states[place // 2] = x
        kept = zip(self.keep, self.norms, strict=True)
        return [norm(states[stage]).permute(0, 3, 1, 2).contiguous() for stage, norm in kept]
