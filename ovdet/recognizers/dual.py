"""The two-tower recognizer: pictures and texts on one unit sphere (CLIP, Radford 2021).

Shapes: B images, N texts, C names, D embedding width, h w places of a picture.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Regions, Sample, Tokens, batch_images
from ovdet.text import Bank, clean_names, fill, lengths, load_templates

MAX_LOG_SCALE = math.log(100)


@MODELS.register_module()
class DualEncoder(BaseModel):  # type: ignore[misc]
    """An image tower, a text tower and a learnt scale.

    What a tower gives for one picture or text is a vector, or, where the objective says that it
    ``reads_tokens``, the set of all its vectors. Whoever compares them need not know which
    (``ovdet.ops.compare``).

    Args:
        image: [B, 3, H, W], RGB in [0, 1], to [B, D], unit norm; its ``places``, where they are
            asked for, to [B, D, h, w], unit norm at each place.
        text: Token ids [N, T] to [N, D], unit norm; its ``encode_tokens`` to Tokens. Has
            ``tokenizer``, and ``causal``: whether what stands behind a text changes nothing.
        objective: (images, texts, scale) to a scalar; both are [B, D], or Tokens.
    """

    def __init__(self, image: nn.Module, text: nn.Module, objective: nn.Module) -> None:
        super().__init__()
        self.image: Any = image
        self.text: Any = text
        self.objective = objective
        self.reads_tokens = bool(getattr(objective, "reads_tokens", False))
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def scale(self) -> Tensor:
        """The inverse temperature, at most 100 (CLIP, Sec. 2.5)."""
        with torch.no_grad():  # the parameter itself is clamped, so its gradient never dies
            self.log_scale.clamp_(max=MAX_LOG_SCALE)
        return self.log_scale.exp()

    def forward(self, samples: list[Sample], mode: str = "loss") -> Any:
        """Score pictures against their captions.

        Args:
            samples: B samples of one size, each with a caption.
            mode: ``loss`` gives ``loss_contrastive``, of the first captions, and the scale;
                ``predict`` gives each sample's image embedding and those of all its captions: [D]
                and [T, D], or one set and T sets.
        """
        images = self.embed_images(samples)
        if mode == "predict":
            texts = self.embed_words([caption for sample in samples for caption in sample.captions])
            own = texts.split([len(sample.captions) for sample in samples])
            each = images.split([1] * len(images)) if isinstance(images, Tokens) else images
            return list(zip(each, own, strict=True))
        texts = self.embed_captions(samples)
        loss = self.objective(images, texts, self.scale)
        return {"loss_contrastive": loss, "scale": self.scale.detach()}

    def embed_images(self, samples: list[Sample]) -> Tensor | Tokens:
        """Return the embeddings of B pictures of one size."""
        return self.embed_pictures(batch_images(samples))

    def embed_pictures(self, images: Tensor) -> Tensor | Tokens:
        """Return [B, D], unit norm, or B sets of h w vectors, of pictures [B, 3, H, W]."""
        images = images.to(self.log_scale.device)
        if self.reads_tokens:
            return Tokens(self.image.places(images).flatten(2).transpose(1, 2))
        embeddings: Tensor = self.image(images)
        return embeddings

    def embed_captions(self, samples: list[Sample]) -> Tensor | Tokens:
        """Return the embeddings of each sample's first caption."""
        return self.embed_words([sample.captions[0] for sample in samples])

    def embed_words(self, words: Sequence[str]) -> Tensor | Tokens:
        """Return [N, D], unit norm, or N sets, with a graph."""
        read = self.text.encode_tokens if self.reads_tokens else self.text
        embeddings: Tensor | Tokens = read(self._ids(words))
        return embeddings

    @torch.no_grad()
    def embed_names(
        self, names: Sequence[str], templates: str | Sequence[str] = "single"
    ) -> tuple[Tensor | Tokens, int]:
        """Embed class names in the sentences of a template set.

        Args:
            names: C names.
            templates: The name of a template set, or templates of one's own.

        Returns:
            The embeddings, and how many rows of them each name has, next to each other: one for
            vectors, which CLIP averages; one a template for sets, which are of several lengths, so
            that their similarities are averaged instead (FILIP, Sec. 3.3).
        """
        if not self.reads_tokens:
            return Bank(self.text, templates).embed(names), 1
        sentences = load_templates(templates)
        texts = [text for name in clean_names(names) for text in fill(sentences, name)]
        return self.embed_words(texts), len(sentences)

    @torch.no_grad()
    def point(self, samples: list[Sample], *, in_sentence: bool = False) -> list[Regions]:
        """Find the place of a picture that is most like each of its phrases.

        A picture's places need no training of their own to be asked: whatever the objective read,
        they are compared one by one, by their dot product.

        Args:
            samples: B samples with ``phrases``, of any sizes.
            in_sentence: Compare with the phrase's last token as it stands in the first caption,
                instead of with the phrase read alone.

        Returns:
            For each sample one region a phrase: the place's cell, in px of the stored image;
            ``labels`` tell the phrase, ``scores`` are (1 + dot product) / 2.
        """
        return [self._point(sample, in_sentence=in_sentence) for sample in samples]

    def heat_maps(self, image: Tensor, texts: Tensor) -> Tensor:
        """Return the dot products of a picture's places with texts.

        Args:
            image: [3, H, W], RGB in [0, 1].
            texts: [N, D], unit norm: sentences, phrases, or single tokens of one.

        Returns:
            [N, h, w], in [-1, 1].
        """
        places: Tensor = self.image.places(image[None].to(self.log_scale.device))[0]
        return torch.einsum("nd,dhw->nhw", texts.to(places.dtype), places)

    def _point(self, sample: Sample, *, in_sentence: bool) -> Regions:
        if not sample.phrases:
            return Regions.empty()
        read = self._read_in_sentence if in_sentence else self._read_alone
        maps = self.heat_maps(sample.image, read(sample.captions[0], sample.phrases))
        best, where = maps.flatten(1).max(dim=1)
        columns, rows = where % maps.shape[2], where // maps.shape[2]
        corner = torch.stack([columns, rows, columns + 1, rows + 1], dim=1)
        step_x, step_y = (sample.image.shape[2 - i] / maps.shape[2 - i] for i in (0, 1))
        boxes = corner * corner.new_tensor([step_x, step_y] * 2, dtype=torch.float32)
        return Regions(
            sample.to_original(boxes),
            torch.zeros_like(where),
            scores=(1 + best.float()) / 2,
            labels=torch.arange(len(where), device=where.device),
        )

    def _read_alone(self, caption: str, spans: Sequence[tuple[int, int]]) -> Tensor:
        """Return [N, D], unit norm, of phrases read by themselves, whatever the objective read."""
        vectors: Tensor = self.text(self._ids([caption[start:end] for start, end in spans]))
        return vectors

    def _read_in_sentence(self, caption: str, spans: Sequence[tuple[int, int]]) -> Tensor:
        """Return [N, D], unit norm, of the last token of each phrase in its sentence."""
        ids = self._ids([caption])
        # A phrase ends where a word does, so a text that is cut there has the same tokens so far.
        lasts = [lengths(self._ids([caption[:end]])) - 2 for _, end in spans]
        vectors: Tensor = self.text.encode_tokens(ids).vectors[0, torch.cat(lasts)]
        return vectors

    def _ids(self, words: Sequence[str]) -> Tensor:
        ids: Tensor = self.text.tokenizer(words)
        if self.text.causal:  # else what pads a text counts
            ids = ids[:, : int(lengths(ids).max())]
        return ids.to(self.log_scale.device)
