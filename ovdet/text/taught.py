"""The text slot with vectors of its own for a few names that were taught to a finished model.

Shapes: K taught names, C classes, N words, D embedding width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.ops.similarity import unit_norm
from ovdet.registry import MODELS
from ovdet.structures import InputError, Text, Vocabulary
from ovdet.text.prompts import clean_names


@MODELS.register_module()
class TaughtClasses(nn.Module):
    """Fills the text slot: taught names get their learnt vector, all others go on to another slot.

    Names are compared as text towers read them: "Red_Kite" is "red kite".

    Args:
        text: Fills the slot for all other names; a vocabulary that brings a table is its affair
            alone.
        names: The K taught ones. Their vectors are what ``text`` says, until they are learnt.

    Attributes:
        names: The K taught names.
        rows: [K, D], their vectors, of any length.

    Raises:
        InputError: If there is no name, two are the same when read, or the slot keeps tokens, so
            that a name has no one vector.
    """

    def __init__(self, text: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        vocabulary = Vocabulary.of(names)
        self.text: Any = text
        self._place = {name: row for row, name in enumerate(clean_names(vocabulary.names))}
        if len(self._place) < len(vocabulary):
            raise InputError(f"taught names must differ when read, got {list(names)}")
        with torch.no_grad():
            said: Text = text(vocabulary)
        if said.tokens is not None:
            raise InputError("the model reads names token by token, no name has a vector to teach")
        self.names = vocabulary.names
        self.rows = nn.Parameter(unit_norm(said.classes.detach().float()).clone())

    @torch.no_grad()
    def reset(self) -> None:
        """Let the taught names mean again what ``text`` says of them."""
        said: Text = self.text(Vocabulary.of(self.names))
        self.rows.copy_(unit_norm(said.classes))

    @property
    def reads_tables(self) -> bool:
        """Whether a vocabulary may bring a table of embeddings."""
        return bool(getattr(self.text, "reads_tables", False))

    def forward(self, vocabulary: Vocabulary) -> Text:
        """Embed C classes: ``classes`` [C, D], those of taught names of unit norm."""
        said: Text = self.text(vocabulary)
        if vocabulary.table is not None:
            return said
        return Text(classes=self._put(said.classes, vocabulary.names))

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Embed N words as the classes are: [N, D]."""
        return self._put(self.text.encode_words(words), words)

    def _put(self, said: Tensor, names: Sequence[str]) -> Tensor:
        """Return the vectors of names, [N, D], with those that were taught in their places."""
        clean = clean_names(names)
        found = [(i, self._place[name]) for i, name in enumerate(clean) if name in self._place]
        if not found:
            return said
        where, which = torch.tensor(found, device=said.device).unbind(dim=1)
        return said.index_copy(0, where, unit_norm(self.rows[which]).to(said))
