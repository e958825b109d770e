"""The two-tower recognizer: pictures and texts on one unit sphere (CLIP, Radford 2021)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Sample, batch_images
from ovdet.text import lengths

MAX_LOG_SCALE = math.log(100)


@MODELS.register_module()
class DualEncoder(BaseModel):  # type: ignore[misc]
    """An image tower, a text tower and a learnt scale.

    Args:
        image: [B, 3, H, W], RGB in [0, 1], to [B, D], unit norm.
        text: Token ids [B, T] to [B, D], unit norm; has ``tokenizer``.
        objective: (images [B, D], texts [B, D], scale) to a scalar.
    """

    def __init__(self, image: nn.Module, text: nn.Module, objective: nn.Module) -> None:
        super().__init__()
        self.image = image
        self.text = text
        self.objective = objective
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
                ``predict`` gives each sample's image embedding and those of all its captions, [D]
                and [T, D].
        """
        images = self.embed_images(samples)
        if mode == "predict":
            texts = self.embed_words([caption for sample in samples for caption in sample.captions])
            own = torch.split(texts, [len(sample.captions) for sample in samples])
            return list(zip(images, own, strict=True))
        texts = self.embed_captions(samples)
        loss = self.objective(images, texts, self.scale)
        return {"loss_contrastive": loss, "scale": self.scale.detach()}

    def embed_images(self, samples: list[Sample]) -> Tensor:
        """Return [B, D], unit norm."""
        embeddings: Tensor = self.image(batch_images(samples).to(self.log_scale.device))
        return embeddings

    def embed_captions(self, samples: list[Sample]) -> Tensor:
        """Return [B, D], unit norm, of each sample's first caption."""
        return self.embed_words([sample.captions[0] for sample in samples])

    def embed_words(self, words: Sequence[str]) -> Tensor:
        """Return [N, D], unit norm, with a graph."""
        ids: Tensor = self.text.tokenizer(words)  # type: ignore[operator]
        ids = ids[:, : int(lengths(ids).max())]  # exact: the tower is causal
        embeddings: Tensor = self.text(ids.to(self.log_scale.device))
        return embeddings
