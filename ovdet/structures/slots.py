"""The nine slots: the library on one page.

images -> features -> image | regions | pixels -> embeddings -> logits against text -> scores.
The whole image is the case of one region, a pixel map the dense one. Every method walks this path
and differs only in what fills a slot.

Letters: B images, H W px, R regions, C classes, N words, T tokens, D width, c h w of a level.
Everywhere: images are RGB in [0, 1]; boxes are xyxy in px of the network input; embeddings are
unit norm when they leave a slot.

Settled on paper, before the methods that need it are written:

- Text that reaches the regions (OV-DETR, Grounding DINO): the region slot takes the text as an
  option, because there the class decides where to look; a query that is conditioned on a class
  says so in ``Regions.labels``, and a long vocabulary is a loop over rows of ``classes``.
- Fusion inside a trunk (FIBER): the trunk stops before its first fused block and the fusion slot
  holds the rest, because what is computed without text is then computed once per image, however
  many chunks of names follow.
- Fusion after a trunk (GLIP): the same slot with whole pyramids going in and out, because only
  the shapes of the levels concern the stages behind it, not where the mixing happened.
- Dense readouts of a CLIP trunk (MaskCLIP, F-VLM): a trunk whose last level has c = D and unit
  norm per pixel, because whether to read values instead of the pooled token is the encoder's
  affair; the embedder then pools that level as any other, and the score slot joins both branches.
- Masks as regions (ZegFormer): a query stage yields ``Regions`` with masks and the canvas or the
  mask's extent as box, because an embedder that pools masks needs no tenth slot, and an assembly
  that draws boxes can serve both. Where masks are all there is, an embedder is handed the images
  in place of their size, because it may cut them out (``heads/mask_embed.py``).
- Words and phrases of a caption as a vocabulary of the moment (GLIP, VLDet): the batch's distinct
  phrases become a ``Vocabulary`` and ``tokens`` keeps one row a phrase, because a class name is
  then only a short phrase; which image said which phrase stays in ``Sample.captions``, so the
  words of other images serve as negatives.
- Images without boxes (Detic, BARON's captions): the sample says so (``boxed``), because the
  batch then needs no second path: stages run on all images, a detector's own losses on the boxed.
- A method that brings an embedder may ask more of it than embeddings (BARON's pseudo-words): it
  finds its own class in ``Flow.embedders``, because a record of callbacks would grow with each.
- An offline labeler that rewrites samples (PB-OVD): it runs before training and its result is
  written as an ordinary data set, because training must not know who drew a box; what is unsure
  stays in ``truth.scores``.
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from ovdet.structures.flow import Flow, Text
from ovdet.structures.regions import Regions
from ovdet.structures.samples import Sample
from ovdet.structures.vocabulary import Vocabulary


class TextSlot(Protocol):
    """Names to embeddings: a frozen encoder with templates, or learnt prompts."""

    def __call__(self, vocabulary: Vocabulary) -> Text:
        """Return ``classes`` [C, D], and ``tokens`` [C, T, D] where a method keeps them."""

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Return [N, D] for words of a method's own choosing."""


class TrunkSlot(Protocol):
    """Images to features: ResNet and pyramid, ViT, CLIP."""

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Turn [B, 3, H, W] into levels [B, c, h, w], finest first."""


class FusionSlot(Protocol):
    """Image and text see each other, in or after the trunk."""

    def __call__(self, levels: list[Tensor], text: Text) -> tuple[list[Tensor], Text]:
        """Return levels of the same shapes, or those a fused trunk ends with, and the text.

        Of it ``tokens`` become [B, C, T, D], because what a name means then differs by image.
        """


class RegionSlot(Protocol):
    """Features to places: proposals, queries, a grid."""

    def __call__(
        self,
        levels: list[Tensor],
        images: Tensor,
        truth: list[Regions] | None = None,
        *,
        text: Text | None = None,
    ) -> tuple[Regions, dict[str, Tensor]]:
        """Return R regions of the batch, and the stage's own losses where ``truth`` is given.

        ``images`` [B, 3, H, W] are read for their size alone. Only assemblies whose regions depend
        on the names hand over ``text``; class-agnostic fillings do without that argument.
        """


class EmbedderSlot(Protocol):
    """Places to embeddings: RoI align and projection, mask pooling, pseudo-words."""

    def __call__(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return [R, D]; ``image_size`` is the longer side of the network input, px."""


class ClassifierSlot(Protocol):
    """Embeddings against text: cosine and background, cost aggregation."""

    def __call__(self, embeddings: Tensor, classes: Tensor) -> Tensor:
        """Compare [R, D] with [C, D]: [R, C], or [R, C + 1] with the background last."""


class ScoreSlot(Protocol):
    """What several branches think to one score: by default the geometric mean."""

    def __call__(self, probabilities: list[Tensor], novel: Tensor) -> Tensor:
        """Join one [R, C] a branch to [R, C], in [0, 1]; ``novel`` [C] is bool."""


class ObjectiveSlot(Protocol):
    """One loss of a method; it reads the flow and writes nothing into it."""

    def __call__(self, flow: Flow) -> dict[str, Tensor]:
        """Return scalars by name; ``loss_<what>`` are summed, other names are diagnostics."""


class LabelerSlot(Protocol):
    """Offline: a sample to the same sample with pseudo labels or captions."""

    def __call__(self, sample: Sample) -> Sample:
        """Return a new sample whose ``truth`` holds the added regions, scored in [0, 1]."""
