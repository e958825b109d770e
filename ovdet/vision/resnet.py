"""torchvision's ResNets as trunks.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016,
https://arxiv.org/abs/1512.03385, with the stride in the 3x3 convolution. Names of weights are
torchvision's. Shapes: B images, H W px, c channels.
"""

from collections.abc import Callable
from typing import Self

from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.vision.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelNorm
from ovdet.vision.pretrained import load_pretrained

_DEPTHS = (18, 34, 50, 101, 152)
_NORMS = ("frozen", "batch", "sync")
_PARTS = ("conv1.", "bn1.", "layer")  # the classifier behind them stays in the file


@MODELS.register_module()
class ResNetTrunk(nn.Module):
    """The levels C2 to C5 of a ResNet.

    Args:
        depth: 18, 34, 50, 101 or 152 layers.
        norm: ``frozen`` keeps statistics, scales and shifts as they are in the file, for small
            batches; ``batch`` learns them on one device, ``sync`` on all together.
        frozen: Stages, counted from the stem's 0, that do not learn; -1 means all learn.
        weights: A file of ImageNet weights in torchvision's layout: safetensors or a pickle of
            plain tensors, a path or a name in the zoo. Random without it.

    Attributes:
        widths: Channels of the levels.

    Raises:
        ValueError: If ``depth`` or ``norm`` is none of these, or ``frozen`` is not -1 to 4.
        InputError: If the file does not hold such a ResNet.
    """

    def __init__(
        self, depth: int = 50, *, norm: str = "frozen", frozen: int = 1, weights: str | None = None
    ) -> None:
        super().__init__()
        if depth not in _DEPTHS:
            raise ValueError(f"depth must be one of {_DEPTHS}, got {depth}")
        if not -1 <= frozen <= 4:
            raise ValueError(f"frozen must be -1 to 4, got {frozen}")
        import torchvision.models

        made = getattr(torchvision.models, f"resnet{depth}")(norm_layer=_norm(norm))
        self.pixels = PixelNorm(IMAGENET_MEAN, IMAGENET_STD)
        self.conv1, self.bn1, self.maxpool = made.conv1, made.bn1, made.maxpool
        self.layer1, self.layer2 = made.layer1, made.layer2
        self.layer3, self.layer4 = made.layer3, made.layer4
        self.widths = tuple(made.fc.in_features // 2**i for i in (3, 2, 1, 0))
        if weights is not None:
            load_pretrained(self, weights, parts=_PARTS)
        stages = [[self.conv1, self.bn1], *([stage] for stage in self._stages)]
        self._still = [part for stage in stages[: frozen + 1] for part in stage]
        for part in self._still:
            part.requires_grad_(requires_grad=False)

    @property
    def _stages(self) -> list[nn.Module]:
        return [self.layer1, self.layer2, self.layer3, self.layer4]

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode; stages that do not learn keep their norms' statistics."""
        super().train(mode)
        for part in self._still:
            part.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return C2 to C5: [B, c, H / 4, W / 4] first, [B, c, H / 32, W / 32] last.

        Args:
            images: [B, 3, H, W], RGB in [0, 1]; the trunk centres them itself.
        """
        x = self.maxpool(self.bn1(self.conv1(self.pixels(images))).relu())
        levels = []
        for stage in self._stages:
            x = stage(x)
            levels.append(x)
        return levels


def _norm(name: str) -> Callable[..., nn.Module]:
    from torchvision.ops import FrozenBatchNorm2d

    if name not in _NORMS:
        raise ValueError(f"norm must be one of {_NORMS}, got {name!r}")
    kinds = {"frozen": FrozenBatchNorm2d, "batch": nn.BatchNorm2d, "sync": nn.SyncBatchNorm}
    found: Callable[..., nn.Module] = kinds[name]
    return found
