"""From logits of words to labels of pixels: synonyms, background, what is too unsure.

Shapes: C classes, Q words, H W px, h w places.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ovdet.ops.label_maps import best_map
from ovdet.registry import MODELS
from ovdet.structures import IGNORED, InputError, Vocabulary


@dataclass(frozen=True)
class Asked:
    """Words, and whose they are.

    Attributes:
        words: Distinct words, to be embedded; None where each class is asked for as it is.
        rows: [Q], int64, which of the words, or classes, each query is.
        owners: [Q], int64, its class, ``IGNORED`` where the word stands for none.
    """

    words: Vocabulary | None
    rows: Tensor
    owners: Tensor


@MODELS.register_module()
@dataclass(frozen=True)
class PixelAnswers:
    """How a pixel gets its label.

    All words compete at a pixel and its class is the best word's: the largest of a class's words
    counts, before a softmax as behind it.

    Attributes:
        reject: Least probability of the best word, in [0, 1]; below it a pixel is background.
            Where every pixel has a class it should be 0.
        background: The class, by name, that means background. Where the vocabulary has none of that
            name, background pixels are ``IGNORED``.
        background_words: What stands for the background in place of its name.
        synonyms: Whether each of a class's words is asked for by itself; else they are one.
        seen_bias: Taken from the logits of seen classes where a class is novel: calibrated
            stacking (Chao et al., https://arxiv.org/abs/1605.04253). Below 0 they gain.
        sigmoid: Whether each word's probability is its own and not a share among all words.
    """

    reject: float = 0.0
    background: str | None = None
    background_words: tuple[str, ...] = ()
    synonyms: bool = False
    seen_bias: float = 0.0
    sigmoid: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.reject <= 1:
            raise InputError(f"reject must be 0 to 1, a probability, got {self.reject}")
        if isinstance(self.background_words, str):
            raise InputError(
                f"background_words must be a list, got the bare string {self.background_words!r}"
            )

    def ask(self, vocabulary: Vocabulary) -> Asked:
        """Return what is asked for in order to find the classes of a vocabulary."""
        if not (self.synonyms or self.background_words):
            every = torch.arange(len(vocabulary))
            return Asked(None, every, every)
        ground = self._background(vocabulary)
        words = vocabulary.words() if self.synonyms else tuple((n,) for n in vocabulary.names)
        pairs = [(w, c) for c, own in enumerate(words) for w in self._own(own, c, ground)]
        if ground == IGNORED:
            pairs += [(word, IGNORED) for word in self.background_words]
        distinct = list(dict.fromkeys(word for word, _ in pairs))
        place = {word: row for row, word in enumerate(distinct)}
        rows = torch.tensor([place[word] for word, _ in pairs])
        return Asked(Vocabulary.of(distinct), rows, torch.tensor([owner for _, owner in pairs]))

    def label(
        self, logits: Tensor, asked: Asked, vocabulary: Vocabulary, size: tuple[int, int]
    ) -> Tensor:
        """Return the label map [H, W], int64, of logits [Q, h, w].

        Args:
            logits: One map a query.
            asked: The queries.
            vocabulary: C classes.
            size: (H, W).
        """
        owners = asked.owners.to(logits.device)
        softmax = self.reject > 0 and not self.sigmoid
        index, best, total = best_map(
            self._calibrated(logits, owners, vocabulary), size, totals=softmax
        )
        labels = owners[index]
        if self.reject > 0:
            sure = best.sigmoid() if total is None else (best - total).exp()
            labels[sure < self.reject] = self._background(vocabulary)
        return labels

    def _calibrated(self, logits: Tensor, owners: Tensor, vocabulary: Vocabulary) -> Tensor:
        if self.seen_bias == 0 or not any(vocabulary.novel_mask):
            return logits
        novel = torch.tensor([*vocabulary.novel_mask, True], device=logits.device)  # IGNORED's too
        return logits - self.seen_bias * (~novel[owners]).to(logits.dtype)[:, None, None]

    def _background(self, vocabulary: Vocabulary) -> int:
        names = vocabulary.names
        return names.index(self.background) if self.background in names else IGNORED

    def _own(self, words: tuple[str, ...], label: int, ground: int) -> tuple[str, ...]:
        return self.background_words if label == ground and self.background_words else words
