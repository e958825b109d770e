"""The text slot as a classifier's rows: what learns for known names, and what stands for others.

Shapes: K known names, C classes, N words, D embedding width.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ovdet.ops.similarity import unit_norm
from ovdet.registry import MODELS
from ovdet.structures import InputError, Text, Vocabulary
from ovdet.text.classes import TextClasses

_STARTS = ("text", "random")
_OTHERS = ("text", "random", "nearest")


@MODELS.register_module()
class LearntRows(nn.Module):
    """Fills the text slot with one row a known name, which is trained with the rest.

    It is what text embeddings are measured against: a classifier of a closed set.

    Args:
        text: Names to text embeddings, frozen.
        names: The known ones, or a vocabulary file, of which those that are not novel are known.
        start: What a row is at first: ``text``, the name's embedding, or ``random``.
        others: What a name that is not known gets: ``text``, its own embedding, ``random``, a
            direction that depends on the name alone, or ``nearest``, the row of the known name
            whose embedding is most like its own.
        length: Of each row at first, and of all that is not learnt.

    Raises:
        InputError: If ``start`` or ``others`` is none of these, or there is no known name.
    """

    def __init__(
        self,
        text: TextClasses,
        names: str | Sequence[str],
        *,
        start: str = "random",
        others: str = "random",
        length: float = 1.0,
    ) -> None:
        super().__init__()
        if start not in _STARTS or others not in _OTHERS:
            raise InputError(
                f"start must be one of {_STARTS} and others of {_OTHERS}, got {start!r}, {others!r}"
            )
        known = _known(names)
        embeddings = text(known).classes.detach()
        rows = embeddings if start == "text" else unit_norm(torch.randn(embeddings.shape))
        self.text = text
        self.others = others
        self.length = length
        self.names = known
        self.rows = nn.Parameter(length * rows.clone())
        self._place = {name: row for row, name in enumerate(known.names)}

    def forward(self, vocabulary: Vocabulary) -> Text:
        """Return C rows: ``classes`` [C, D], of any length."""
        return Text(classes=self.encode_words(vocabulary.names))

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Return the rows of N words, [N, D]."""
        known = [word for word in words if word in self._place]
        strange = [word for word in words if word not in self._place]
        found = dict(zip(known, self.rows[[self._place[word] for word in known]], strict=True))
        if strange:
            found |= dict(zip(strange, self._other(strange), strict=True))
        return torch.stack([found[word] for word in words])

    def _other(self, words: Sequence[str]) -> Tensor:
        if self.others == "random":
            drawn = [torch.randn(self.rows.shape[1], generator=_chance(word)) for word in words]
            return self.length * unit_norm(torch.stack(drawn)).to(self.rows)
        vectors = self.text.encode_words(words).to(self.rows)
        if self.others == "text":
            return self.length * vectors
        likeness = vectors @ self.text(self.names).classes.to(vectors).T
        return self.rows[likeness.argmax(dim=1)]


def _known(names: str | Sequence[str]) -> Vocabulary:
    if not isinstance(names, str):
        return Vocabulary.of(names)
    listed = Vocabulary.load(Path(names))
    rows = [row for row, novel in enumerate(listed.novel_mask) if not novel]
    if not rows:
        raise InputError(f"{names}: all names are novel, so none is known")
    return listed.pick(rows)


def _chance(word: str) -> torch.Generator:
    """Return randomness that depends on a word alone."""
    return torch.Generator().manual_seed(int.from_bytes(word.encode()[:7], "big"))
