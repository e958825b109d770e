"""CLIPSeg's decoder: a light transformer over several depths of CLIP, told once what to look for.

Sec. 3.1 of the paper. Shapes: B images, C conditions, P pairs of an image and a condition, L taps,
N = 1 + h * w tokens (the class token first), c channels of a tap, d width of the decoder, D
embedding width, h w patches.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Text

_PAIRS = 16  # that go through the decoder at once


@MODELS.register_module()
class ClipsegDecoder(nn.Module):
    """Taps and conditions to one foreground logit a pixel and condition.

    The deepest tap comes first; the others are added to what the blocks before them give. The
    condition scales and shifts the first tap alone (FiLM). The taps are projected once an image,
    the rest runs once a pair of an image and a condition.

    Args:
        taps: c of each tap.
        dim: D.
        patch: Side of a patch, px, which the last layer makes of each token.
        width: d.
        heads: Attention heads of a block.
        hidden: Width of a block's inner layer.
        dropout: Of the blocks; the paper's code has torch's 0.1.
        refined: Whether the last layer is two deconvolutions behind a convolution, in place of one.

    Raises:
        ValueError: If ``refined`` comes with a patch that is no multiple of 4 px.
    """

    def __init__(
        self,
        taps: Sequence[int],
        dim: int,
        *,
        patch: int,
        width: int = 64,
        heads: int = 4,
        hidden: int = 2048,
        dropout: float = 0.1,
        refined: bool = False,
    ) -> None:
        super().__init__()
        self.reduces = nn.ModuleList(nn.Linear(c, width) for c in reversed(taps))
        self.gain = nn.Linear(dim, width)
        self.shift = nn.Linear(dim, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, hidden, dropout, batch_first=True)
            for _ in taps
        )
        self.draw = (
            _refined(width, patch) if refined else nn.ConvTranspose2d(width, 1, patch, patch)
        )

    def forward(self, levels: list[Tensor], text: Text, images: Tensor) -> Tensor:  # noqa: ARG002
        """Return logits [B, C, H, W] in px of the patches; 0 where an image is not asked.

        Args:
            levels: L maps [B, c, h, w], the deepest last, then L class tokens [B, c, 1, 1].
            text: ``classes`` [C, D]; or, where ``tokens`` are [B, C, 1, D], those, so that a
                condition may differ by image; and ``asked`` [B, C].
            images: Not read: the grid tells the size.
        """
        count = len(self.reduces)
        maps, firsts = levels[:count], levels[count : 2 * count]
        reduced = self._reduce(maps, firsts)
        grid = (maps[0].shape[2], maps[0].shape[3])
        batch, classes = len(maps[0]), len(text.classes)
        asked = text.asked
        if asked is None:
            asked = torch.ones(batch, classes, dtype=torch.bool, device=maps[0].device)
        image, place = asked.nonzero().unbind(dim=1)  # [P] each
        conditions = text.classes[place] if text.tokens is None else text.tokens[image, place, 0]
        drawn = []
        for start in range(0, max(len(image), 1), _PAIRS):
            part = slice(start, start + _PAIRS)
            taps = [level[image[part]] for level in reduced]
            drawn.append(self._draw(taps, conditions[part], grid))
        pairs = torch.cat(drawn)  # [P, H, W]
        logits = pairs.new_zeros(batch, classes, *pairs.shape[1:])
        return logits.index_put((image, place), pairs)

    def _reduce(self, maps: list[Tensor], firsts: list[Tensor]) -> list[Tensor]:
        """Return each tap's tokens [B, N, d], the deepest first."""
        pairs = zip(reversed(maps), reversed(firsts), self.reduces, strict=True)
        rows = [(torch.cat([f.flatten(2), m.flatten(2)], dim=2), r) for m, f, r in pairs]
        return [reduce(tokens.transpose(1, 2)) for tokens, reduce in rows]

    def _draw(self, taps: list[Tensor], conditions: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return logits [P, H, W] of taps [P, N, d] under conditions [P, D]."""
        first, *rest = self.blocks
        gain, shift = self.gain(conditions), self.shift(conditions)
        tokens = first(gain[:, None] * taps[0] + shift[:, None])
        for tap, block in zip(taps[1:], rest, strict=True):
            tokens = block(tokens + tap)
        places = tokens[:, 1:].transpose(1, 2).unflatten(2, grid)
        drawn: Tensor = self.draw(places)[:, 0].float()
        return drawn


def _refined(width: int, patch: int) -> nn.Sequential:
    if patch % 4:
        raise ValueError(f"a refined decoder needs a patch of a multiple of 4 px, got {patch}")
    return nn.Sequential(
        nn.Conv2d(width, width, 3, 1, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(width, width // 2, patch // 4, patch // 4),
        nn.ReLU(),
        nn.ConvTranspose2d(width // 2, 1, 4, 4),
    )
