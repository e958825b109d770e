"""The text slot with learnt prompts: vectors among the words of a name, in place of a template.

Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022,
https://arxiv.org/abs/2109.01134, Sec. 3.2 (CoOp): the tower stays frozen, gradients pass through it
to the vectors.

Shapes: K contexts, L vectors of each, W width of the token table, C classes, D embedding width.
"""

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from ovdet.ops import unit_norm
from ovdet.registry import MODELS
from ovdet.structures import InputError, Text, Vocabulary
from ovdet.text.encoders import TextEncoder
from ovdet.text.prompts import clean_names
from ovdet.text.tokenizer import START, ClipTokenizer, lengths

_SHARES = {"end": 1.0, "middle": 0.5, "front": 0.0}
_VOCABULARIES_KEPT = 4


@MODELS.register_module()
class LearnedPrompts(nn.Module):
    """Fills the text slot with ``K`` contexts: vectors and name, a full stop, through the tower.

    A class is the normalised sum of its K unit vectors, one a context; they are there as
    ``Text.tokens`` [C, K, D]. A class with synonyms is the normalised mean over its words.

    What the contexts make of a vocabulary is kept while they do not change, except in training,
    where they learn.

    Args:
        encoder: The text tower. Frozen here.
        length: L, at least 1.
        count: K, at least 1.
        position: Where the name stands: at the ``end``, in the ``middle`` or at the ``front``.
        std: Spread of the vectors before training.
        frozen: Whether the contexts are done learning.

    Raises:
        InputError: If a number is below 1, the position is none of the three, or the tower's
            context has no room for the vectors, a name and the markers.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        *,
        length: int = 8,
        count: int = 1,
        position: str = "end",
        std: float = 0.02,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if min(length, count) < 1:
            raise InputError(f"length and count must be at least 1, got {length} and {count}")
        if position not in _SHARES:
            raise InputError(f"position must be one of {list(_SHARES)}, got {position!r}")
        self.encoder = encoder.requires_grad_(requires_grad=False).eval()
        self.tokenizer = ClipTokenizer(encoder.tokenizer.context - length)  # leaves them room
        width = encoder.embed_ids(torch.tensor([[START]])).shape[-1]
        vectors = torch.randn(count, length, width) * std
        self.contexts = nn.Parameter(vectors, requires_grad=not frozen)
        self.before = round(length * _SHARES[position])  # vectors in front of the name
        self._known: dict[Any, Text] = {}
        self._known_for: tuple[str, Tensor] = ("", vectors)

    def forward(self, vocabulary: Vocabulary) -> Text:
        """Embed C classes: ``classes`` [C, D] and, one a context, ``tokens`` [C, K, D]."""
        if self.training and self.contexts.requires_grad and torch.is_grad_enabled():
            return self._text(vocabulary.words())
        self._forget_outdated()
        key = (vocabulary.names, vocabulary.synonyms)
        if key not in self._known:
            self._known[key] = self._settled(vocabulary.words())
            for old in list(self._known)[:-_VOCABULARIES_KEPT]:
                del self._known[old]
        return self._known[key]

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Embed N words through the same contexts as the classes: [N, D], unit norm."""
        if len(words) == 0:
            return self.contexts.new_zeros(0, self.encoder.dim)
        return self._text([(word,) for word in words]).classes

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode of the slot; the encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def _forget_outdated(self) -> None:
        fingerprint, vectors = self.encoder.fingerprint(), self.contexts.detach()
        place, known = self._known_for[1].device, self._known_for[1]
        same = place == vectors.device and torch.equal(known, vectors)
        if not same or fingerprint != self._known_for[0]:
            self._known.clear()
            self._known_for = (fingerprint, vectors.clone())

    # Vectors made in inference mode could not take part in training later.
    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _settled(self, groups: Sequence[Sequence[str]]) -> Text:
        # They are kept: a caller's autocast must not decide how exact they are.
        with torch.autocast(self.contexts.device.type, enabled=False):
            return self._text(groups)

    def _text(self, groups: Sequence[Sequence[str]]) -> Text:
        """Embed classes given as their words: name and synonyms, equal ones counted once."""
        raw = list(dict.fromkeys(word for group in groups for word in group))
        clean = dict(zip(raw, clean_names(raw), strict=True))
        names = list(dict.fromkeys(clean.values()))
        rows = {name: row for row, name in enumerate(names)}
        pairs = [(i, rows[w]) for i, group in enumerate(groups) for w in {clean[r] for r in group}]
        owner, row = torch.tensor(sorted(pairs), device=self.contexts.device).unbind(dim=1)
        each = torch.stack([self._through(names, context) for context in self.contexts], dim=1)
        summed = each.new_zeros(len(groups), *each.shape[1:]).index_add(0, owner, each[row])
        tokens = unit_norm(summed)  # [C, K, D]
        real = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        return Text(unit_norm(tokens.sum(dim=1)), tokens, real)

    def _through(self, names: list[str], context: Tensor) -> Tensor:
        """Send names with one context [L, W] through the tower: [N, D], unit norm."""
        ids = self.tokenizer([f"{name} ." for name in names], names).to(self.contexts.device)
        used = lengths(ids)
        if self.encoder.causal:
            ids = ids[:, : int(used.max())]
        table = self.encoder.embed_ids(ids)  # [N, T, W]
        given = context.to(table.dtype).expand(len(names), -1, -1)
        both = torch.cat([table, given], dim=1)
        order = self._order(used - 3, ids.shape[1])  # all but START, full stop, END are the name's
        rows = torch.arange(len(names), device=order.device)[:, None]
        read = self.encoder.read(both[rows, order], used - 1 + len(context))
        return unit_norm(read.to(torch.promote_types(read.dtype, torch.float32)))

    def _order(self, named: Tensor, length: int) -> Tensor:
        """Return where each token of the prompts comes from.

        Args:
            named: [N], how many tokens each name has.
            length: T; from there on stand the context's vectors.

        Returns:
            [N, T + L], int64.
        """
        vectors = self.contexts.shape[1]
        place = torch.arange(length + vectors, device=named.device).expand(len(named), -1)
        name_end = self.before + named[:, None]
        after = place - vectors  # behind all vectors: the full stop, END, padding
        second = length + place - named[:, None] - 1  # vectors behind the name
        order = torch.where(place <= name_end + vectors - self.before, second, after)
        order = torch.where(place <= name_end, place - self.before, order)
        order = torch.where(place <= self.before, length + place - 1, order)
        return torch.where(place == 0, 0, order)
