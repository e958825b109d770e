"""The text slot with a tower that learns."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Text, Vocabulary
from ovdet.text.bank import Bank
from ovdet.text.encoders import TextEncoder
from ovdet.text.prompts import clean_names, fill, load_templates
from ovdet.text.tokenizer import lengths


@MODELS.register_module()
class TunedTextClasses(nn.Module):
    """Fills the text slot with a tower that is trained with the rest.

    While it learns, each name goes through one template drawn at random, and gradients reach the
    tower. Otherwise a class is the mean of the unit vectors of all templates: not of unit norm
    where there are several, so that a product with it is the mean of the products with each.

    Args:
        encoder: The text tower.
        templates: What a class is asked with: the name of a template set, or templates.
        learnt: What it learns with, likewise.
        bare: Whether it also learns with the bare name.

    Raises:
        InputError: If the templates are not usable.
    """

    reads_tables = True

    def __init__(
        self,
        encoder: TextEncoder,
        templates: str | Sequence[str] = "single",
        learnt: str | Sequence[str] = "single",
        *,
        bare: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.learnt = load_templates(learnt) + (("{}",) if bare else ())
        # One a template: they keep what they have encoded as long as the weights stay.
        self.banks = [Bank(encoder, [template]) for template in load_templates(templates)]

    def forward(self, vocabulary: Vocabulary) -> Text:
        """Embed C classes: ``classes`` [C, D]."""
        if self.training:
            return Text(classes=self._learn(vocabulary.names))
        return Text(classes=torch.stack([bank.embed(vocabulary) for bank in self.banks]).mean(0))

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Embed N words as the classes are: [N, D]."""
        if self.training:
            return self._learn(words)
        return torch.stack([bank.embed_words(words) for bank in self.banks]).mean(0)

    def _learn(self, words: Sequence[str]) -> Tensor:
        drawn = torch.randint(len(self.learnt), (len(words),)).tolist()
        names = clean_names(words)
        texts = [fill([self.learnt[i]], name)[0] for i, name in zip(drawn, names, strict=True)]
        ids = self.encoder.tokenizer(texts)
        if self.encoder.causal:
            ids = ids[:, : int(lengths(ids).max())]
        embeddings: Tensor = self.encoder(ids.to(self.encoder.device))
        return embeddings
