"""The text slot with a frozen tower."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Text, Vocabulary
from ovdet.text.bank import Bank
from ovdet.text.encoders import TextEncoder


@MODELS.register_module(name="WordVector")
def word_vector(text: "TextClasses", word: str) -> Tensor:
    """Return the embedding [1, D] of one word, for a part that keeps it (a background's name).

    Args:
        text: Its tower and templates; not kept.
        word: Any word, such as "background".
    """
    return text.encode_words([word]).cpu()


@MODELS.register_module()
class TextClasses(nn.Module):
    """Fills the text slot: class names to embeddings, through a bank.

    The encoder is frozen: its weights take no gradients, it stays in evaluation mode, and it is
    saved and moved with the model.

    Args:
        encoder: The text tower.
        templates: The name of a template set, or templates of one's own.

    Attributes:
        reads_tables: A vocabulary may bring a table of embeddings.
        bank: Where the embeddings come from; ``bank.encoded`` counts the sentences encoded.

    Raises:
        InputError: If the templates are not usable.
    """

    reads_tables = True

    def __init__(self, encoder: TextEncoder, templates: str | Sequence[str] = "single") -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(requires_grad=False).eval()
        self.bank = Bank(encoder, templates)

    def forward(self, vocabulary: Vocabulary) -> Text:
        """Embed C classes: ``classes`` [C, D], unit norm, on the encoder's device."""
        return Text(classes=self.bank.embed(vocabulary))

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Embed N words, through the same templates as the classes: [N, D], unit norm."""
        return self.bank.embed_words(words)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode of the slot; the encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self
