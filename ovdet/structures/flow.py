"""Flow: the one record of a forward pass. Each stage fills its own field, objectives only read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from ovdet.structures.dense import DensePrediction
from ovdet.structures.masked import MaskQueries
from ovdet.structures.queries import Conditions, Decoded
from ovdet.structures.regions import Regions
from ovdet.structures.samples import Sample
from ovdet.structures.vocabulary import Vocabulary


@dataclass
class Text:
    """A vocabulary after the text slot.

    Attributes:
        classes: [C, D], unit norm, one row a class.
        tokens: [C, T, D], unit norm, where a method keeps tokens; else None. Behind a fusion
            [B, C, T, D], of any norm: what a name means in each image.
        token_mask: [C, T], True where a token is real; None with ``tokens``.
        own: [C, T], True where a token is of the class itself; the other real ones are what stands
            around it. None where all are its own.
        asked: [B, C], True where an image is asked for a class; None where all are for all.
    """

    classes: Tensor
    tokens: Tensor | None = None
    token_mask: Tensor | None = None
    own: Tensor | None = None
    asked: Tensor | None = None

    def rows(self, index: Tensor) -> "Text":
        """Return the text of some classes, by index [N]; one may stand more than once."""
        facts = {name: getattr(self, name) for name in ("tokens", "token_mask", "own")}
        picked = {name: None if fact is None else fact[index] for name, fact in facts.items()}
        asked = None if self.asked is None else self.asked[:, index]
        return replace(self, classes=self.classes[index], asked=asked, **picked)

    def with_tokens(self, tokens: Tensor) -> "Text":
        """Return the text with other vectors for the same tokens."""
        return replace(self, tokens=tokens)


@dataclass
class Flow:
    """What one batch has become so far.

    Attributes:
        images: [B, 3, H, W], RGB in [0, 1].
        samples: The B samples the images come from.
        vocabulary: The C classes asked for.
        text: The vocabulary's embeddings.
        features: Levels [B, c, h, w], finest first.
        proposals: All regions the proposal stage gave; scores are objectness, best first within an
            image.
        regions: The R regions that were classified; ``labels`` hold their classes in training,
            C for background.
        embeddings: [R, D], unit norm, of the first branch.
        logits: One [R, C] or [R, C + 1] (background last) for each branch.
        dense: What a dense head says about its places; ``regions`` stay empty then.
        conditions: What the queries are asked; None where every query knows all classes.
        pixels: [B, C, h, w], the logits of the places of a map; ``regions`` stay empty then.
        decoded: What each layer of a decoder says of its queries; ``regions`` stay empty then.
        masks: What each layer of a mask decoder says of its queries; ``regions`` are those of the
            last one, their boxes the canvas.
        embed: Regions to embeddings [R, D], by branch index, so that a method may ask about
            regions of its own choosing.
        classify: Embeddings [R, D] to logits, by branch index, against ``text``.
        embedders: The branches' embedders, for a method that brings one and asks more of it than
            the slot's signature says.
        encode_words: Words to embeddings [N, D], so that a method may ask about words of its own.
        encode_images: Pictures [N, 3, S, S], RGB in [0, 1], to embeddings [N, D] in the space of
            the text, as the trunk leaves them; None where the trunk cannot.
    """

    images: Tensor
    samples: list[Sample]
    vocabulary: Vocabulary
    text: Text | None = None
    features: list[Tensor] = field(default_factory=list)
    proposals: Regions | None = None
    regions: Regions = field(default_factory=Regions.empty)
    embeddings: Tensor | None = None
    logits: list[Tensor] = field(default_factory=list)
    dense: DensePrediction | None = None
    conditions: Conditions | None = None
    pixels: Tensor | None = None
    decoded: list[Decoded] = field(default_factory=list)
    masks: list[MaskQueries] = field(default_factory=list)
    embed: Callable[[Regions, int], Tensor] | None = None
    classify: Callable[[Tensor, int], Tensor] | None = None
    embedders: Sequence[nn.Module] = ()
    encode_words: Callable[[Sequence[str]], Tensor] | None = None
    encode_images: Callable[[Tensor], Tensor] | None = None
