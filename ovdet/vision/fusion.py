"""Image and text see each other: attention in both directions, block by block.

Li et al., "Grounded Language-Image Pre-training", CVPR 2022, https://arxiv.org/abs/2112.03857,
Sec. 3.2. Shapes: B images, P places of all levels, N tokens an image sees, c D widths of image and
text, C classes, T tokens a class, A heads.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Text

_LIMIT = 50_000.0  # logits beyond it are cut: float16 ends at 65,504


@MODELS.register_module()
class BiAttention(nn.Module):
    """One set of logits, read along the tokens for the image and along the places for the text.

    Args:
        image_dim: c.
        text_dim: D.
        width: What both are brought to, over all heads.
        heads: A; they divide ``width``.
        dropout: Share of attention weights left out in training.

    Raises:
        ValueError: If ``heads`` does not divide ``width``.
    """

    def __init__(
        self,
        image_dim: int,
        text_dim: int,
        *,
        width: int = 2048,
        heads: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide width, got {heads} heads for width {width}")
        self.heads = heads
        self.dropout = dropout
        self.image_query = nn.Linear(image_dim, width)
        self.text_key = nn.Linear(text_dim, width)
        self.image_value = nn.Linear(image_dim, width)
        self.text_value = nn.Linear(text_dim, width)
        self.image_out = nn.Linear(width, image_dim)
        self.text_out = nn.Linear(width, text_dim)
        for layer in self.children():
            nn.init.xavier_uniform_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, places: Tensor, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each side takes from the other.

        Args:
            places: [B, P, c].
            tokens: [B, N, D].
            mask: [B, N], True where a token is real; no place looks at the others.

        Returns:
            [B, P, c] for the places, the bias alone where an image has no token at all, and
            [B, N, D] for the tokens.
        """
        query, key = self._split(self.image_query(places)), self._split(self.text_key(tokens))
        from_image = self._split(self.image_value(places))
        from_text = self._split(self.text_value(tokens) * mask[..., None])
        logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)  # [B, A, P, N]
        if logits.dtype == torch.float16:
            logits = logits.clamp(-_LIMIT, _LIMIT)
        # A softmax takes each row's largest logit off before it raises e to it. The lowest finite
        # number instead of minus infinity, and values of zero: where there is no token at all, the
        # image takes nothing instead of NaN.
        low = torch.finfo(logits.dtype).min
        by_token = logits.masked_fill(~mask[:, None, None], low).softmax(dim=-1)
        by_place = logits.softmax(dim=-2).transpose(-2, -1)
        to_places = self._drop(by_token).to(from_text.dtype) @ from_text
        to_tokens = self._drop(by_place).to(from_image.dtype) @ from_image
        return self.image_out(_merge(to_places)), self.text_out(_merge(to_tokens))

    def _split(self, x: Tensor) -> Tensor:
        b, n, width = x.shape
        return x.view(b, n, self.heads, width // self.heads).transpose(1, 2)

    def _drop(self, weights: Tensor) -> Tensor:
        return F.dropout(weights, self.dropout, self.training)


def _merge(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


@MODELS.register_module()
class BiFusion(nn.Module):
    """Both sides normalised, then moved by what they take from each other.

    The residual runs from the normalised vectors, as in the authors' code.

    Args:
        attention: (places, tokens, mask) to what each side takes.
        image_dim: c.
        text_dim: D.
        scale: First value of the learnt factors [c] and [D] of what is taken; 1 / blocks in GLIP.
    """

    def __init__(
        self, attention: nn.Module, image_dim: int, text_dim: int, *, scale: float = 1 / 6
    ) -> None:
        super().__init__()
        self.attention = attention
        self.image_norm = nn.LayerNorm(image_dim)
        self.text_norm = nn.LayerNorm(text_dim)
        self.image_scale = nn.Parameter(torch.full((image_dim,), scale))
        self.text_scale = nn.Parameter(torch.full((text_dim,), scale))

    def forward(self, places: Tensor, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return places [B, P, c] and tokens [B, N, D] that have seen each other."""
        places, tokens = self.image_norm(places), self.text_norm(tokens)
        to_places, to_tokens = self.attention(places, tokens, mask)
        return places + self.image_scale * to_places, tokens + self.text_scale * to_tokens


@MODELS.register_module()
class FusionBlock(nn.Module):
    """One block of a fused head: exchange, then each side by itself.

    Args:
        exchange: (places, tokens, mask) to places and tokens.
        text: (tokens [B, N, D], seen [B, N, N]) to tokens.
        image: Levels to levels of the same shapes.
    """

    def __init__(self, exchange: nn.Module, text: nn.Module, image: nn.Module) -> None:
        super().__init__()
        self.exchange = exchange
        self.text = text
        self.image = image

    def forward(
        self, levels: list[Tensor], tokens: Tensor, mask: Tensor, seen: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Return levels [B, c, h, w] and tokens [B, N, D]; ``seen`` [B, N, N] as the text's."""
        places = torch.cat([level.flatten(2) for level in levels], dim=2).transpose(1, 2)
        places, tokens = self.exchange(places, tokens, mask)
        counts = [level.shape[-2] * level.shape[-1] for level in levels]
        parts = places.transpose(1, 2).split(counts, dim=2)
        levels = [part.reshape(level.shape) for part, level in zip(parts, levels, strict=True)]
        return self.image(levels), self.text(tokens, seen)


@MODELS.register_module()
class DeepFusion(nn.Module):
    """Fills the fusion slot: levels and the tokens of all names go through blocks together.

    Where images are asked for different names (``Text.asked``), each sees its own alone.

    Args:
        blocks: Each (levels, tokens, mask, seen) to levels and tokens.
        meet: Whether the names of an image attend to each other in the text's own layers. Without,
            they meet in what the image takes from them, and nowhere else.
    """

    def __init__(self, blocks: Sequence[nn.Module], *, meet: bool = True) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.meet = meet

    def forward(self, levels: list[Tensor], text: Text) -> tuple[list[Tensor], Text]:
        """Fuse.

        Args:
            levels: [B, c, h, w] each.
            text: With ``tokens`` [C, T, D].

        Returns:
            Levels of the same shapes, and the text with ``tokens`` [B, C, T, D]: what a name means
            in each image. Tokens of names that an image is not asked for are zero there.

        Raises:
            ValueError: If the text keeps no tokens.
        """
        if text.tokens is None or text.token_mask is None:
            raise ValueError("a fusion needs text that keeps its tokens, got classes alone")
        index, mask = pack_tokens(text, len(levels[0]))
        packed = text.tokens.flatten(0, 1)[index]  # [B, N, D]
        seen = self._seen(index, mask, text.tokens.shape[1])
        for block in self.blocks:
            levels, packed = block(levels, packed, mask, seen)
        return levels, text.with_tokens(_unpack(packed, index, mask, text.tokens))

    def _seen(self, index: Tensor, mask: Tensor, length: int) -> Tensor:
        seen = mask[:, None] | torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        if self.meet:
            return seen
        name = index // length  # [B, N]
        return seen & (name[:, :, None] == name[:, None])


def pack_tokens(text: Text, images: int) -> tuple[Tensor, Tensor]:
    """Return which tokens each image sees, without the gaps that short names leave.

    Args:
        text: With ``token_mask`` [C, T], and ``asked`` [B, C] where images are asked for different
            names.
        images: B.

    Returns:
        [B, N], int64, into the C * T tokens; and [B, N], True where one is meant: images that see
        fewer tokens than others are filled up.
    """
    if text.token_mask is None:
        raise ValueError("tokens can only be packed where there is a token_mask")
    real = text.token_mask.expand(images, *text.token_mask.shape)
    if text.asked is not None:
        real = real & text.asked[:, :, None]
    flat = real.flatten(1)  # [B, C * T]
    count = max(1, int(flat.sum(dim=1).max()))
    index = flat.int().argsort(dim=1, descending=True, stable=True)[:, :count]
    return index, flat.gather(1, index)


def _unpack(packed: Tensor, index: Tensor, mask: Tensor, like: Tensor) -> Tensor:
    classes, length, width = like.shape
    flat = packed.new_zeros(len(packed), classes * length, width)
    places = index[..., None].expand_as(packed)
    return flat.scatter(1, places, packed * mask[..., None]).view(-1, classes, length, width)


@MODELS.register_module()
class LevelConv(nn.Module):
    """A residual 3x3 convolution, the same on every level.

    Args:
        width: c.
        groups: Of the group norm; they divide ``width``.
    """

    def __init__(self, width: int, *, groups: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(groups, width)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Map levels [B, c, h, w] to levels of the same shapes."""
        return [level + self.norm(self.conv(level)).relu() for level in levels]
