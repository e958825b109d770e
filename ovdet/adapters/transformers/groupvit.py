"""GroupViT folders: transformers' image tower, which groups patches, and its text, kept by name.

Xu et al., "GroupViT: Semantic Segmentation Emerges from Text Supervision", CVPR 2022,
https://arxiv.org/abs/2202.11094. A picture is grouped once, a name is read once.
Shapes: B images, G groups, C classes, D width, S side of a picture, px.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ovdet.adapters.transformers.folder import CONFIG, Folder
from ovdet.adapters.transformers.pictures import SizedPictures
from ovdet.adapters.transformers.sized import FolderSegmentor
from ovdet.ops import unit_norm
from ovdet.ops.merging import Window
from ovdet.segmentors.base import SEMANTIC
from ovdet.structures import InputError, Sample, Vocabulary, batch_images
from ovdet.text import TextClasses
from ovdet.text.encoders import TextEncoder, at_ends
from ovdet.text.tokenizer import END
from ovdet.vision import PixelNorm

_CLASS = "GroupViTModel"
_PROCESSOR = "CLIPImageProcessor"


class GroupvitText(TextEncoder):
    """The text tower.

    Args:
        tower: transformers' tower.
        project: States [N, W] to [N, D].
        dim: D.
    """

    def __init__(self, tower: nn.Module, project: nn.Module, dim: int) -> None:
        facts: Any = tower.config
        identity = f"{facts.hidden_act} {facts.num_attention_heads} {facts.layer_norm_eps}"
        super().__init__(dim, facts.max_position_embeddings, identity, causal=True)
        self.tower: Any = tower
        self.project = project

    def embed_ids(self, ids: Tensor) -> Tensor:
        """Look up the ids [N, T] in the token table: [N, T, W]."""
        embedded: Tensor = self.tower.embeddings.token_embedding(ids)
        return embedded

    def read(self, embedded: Tensor, ends: Tensor | None = None) -> Tensor:
        """Run the tower on [N, T, W]: [N, D] at ``ends`` [N], or [N, T, D]."""
        # The tower takes ids alone, so its table is made to answer with what is given.
        ids = torch.full(embedded.shape[:2], END, device=embedded.device)
        table = self.tower.embeddings.token_embedding
        handle = table.register_forward_hook(lambda *_: embedded)
        try:
            states = self.tower(input_ids=ids).last_hidden_state
        finally:
            handle.remove()
        states = at_ends(states, ends)
        # The projection normalises over the rows of a batch: it knows no tokens.
        projected: Tensor = self.project(states.flatten(0, -2))
        return projected.view(*states.shape[:-1], self.dim)


class GroupvitSegmentor(FolderSegmentor):
    """Names the groups of a picture's patches, and every pixel by the groups it belongs to.

    Args:
        model: transformers' module.
        pictures: Sample to the sample it sees, S x S px.
        norm: Centres the colours.
    """

    def __init__(self, model: nn.Module, pictures: SizedPictures, norm: PixelNorm) -> None:
        super().__init__(SEMANTIC)
        parts: Any = model
        self.vision: Any = parts.vision_model
        self.project: Any = parts.visual_projection
        self.logit_scale = nn.Parameter(parts.logit_scale.detach(), requires_grad=False)
        tower = GroupvitText(parts.text_model, parts.text_projection, parts.config.projection_dim)
        self.text = TextClasses(tower, templates="none")
        self.pictures = pictures
        self.norm = norm

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Group pictures.

        Args:
            images: [B, 3, S, S], RGB in [0, 1].

        Returns:
            The groups' vectors [B, G, D], unit norm, and how much of each pixel is each group's,
            [B, G, S, S], in [0, 1].
        """
        from transformers.models.groupvit import modeling_groupvit as groupvit

        seen = self.vision(self.norm(images), output_attentions=True, return_dict=True)
        states = seen.last_hidden_state
        vectors = self.project(states.flatten(0, 1)).unflatten(0, states.shape[:2])
        share: Any = groupvit.get_grouping_from_attentions
        shares: Tensor = share(seen.attentions, images.shape[2:])
        return unit_norm(vectors.float()), shares.float()

    def name(self, vectors: Tensor, shares: Tensor, classes: Tensor) -> Tensor:
        """Return the logits [B, C, S, S] of what ``look`` gives against classes [C, D]."""
        scale = self.logit_scale.exp().float()
        # transformers multiplies by the scale twice: each group's logits, and their mixture.
        named = vectors @ classes.float().T * scale**2  # [B, G, C]
        return torch.einsum("bgc,bghw->bchw", named, shares)

    @torch.no_grad()
    def segment(
        self, samples: list[Sample], vocabulary: Vocabulary, task: str = SEMANTIC
    ) -> list[Tensor]:
        """Name every pixel.

        Args:
            samples: B samples of any sizes, best those of their files.
            vocabulary: Any C classes.
            task: ``semantic``.

        Returns:
            For each sample its label map [H, W], in px of its file; every pixel has a class.

        Raises:
            InputError: If ``task`` is another one.
        """
        self.check_task(task)
        if not samples:
            return []
        seen = [self.pictures(sample) for sample in samples]
        classes = self.text(vocabulary).classes
        vectors, shares = self.look(batch_images(seen).to(classes.device))
        return [
            self._labels(vectors[row : row + 1], shares[row : row + 1], classes, sample)
            for row, sample in enumerate(seen)
        ]

    def _labels(self, vectors: Tensor, shares: Tensor, classes: Tensor, sample: Sample) -> Tensor:
        """Return the label map of one picture, a strip of rows at a time."""
        across, down = sample.scale
        window = Window.of(sample.original_size, (down, across), shares.device)
        labels = torch.zeros(window.size, dtype=torch.int64, device=shares.device)
        for rows, strip in window.strips(len(classes)):
            # Logits mix the groups' shares: mixing at the pixels is the same as reading mixtures.
            labels[rows] = self.name(vectors, strip.read(shares[0])[None], classes)[0].argmax(dim=0)
        return labels


def build_groupvit(folder: Folder) -> GroupvitSegmentor:
    """Return the segmentor of a folder, whose pictures are stretched to a square.

    Raises:
        InputError: If its text tower reads other tokens than CLIP's.
    """
    facts = folder.facts
    words = facts.text_config.vocab_size
    if words != END + 1:
        place = folder.path / CONFIG
        raise InputError(f"{place}: vocab_size must be CLIP's {END + 1}, got {words}")
    side = facts.vision_config.image_size
    processor = folder.pictures(_PROCESSOR, size={"shortest_edge": side})
    # Its own rule would leave out what the middle square does not hold.
    whole = {"size": {"height": side, "width": side}, "do_center_crop": False}
    norm = PixelNorm(processor.image_mean, processor.image_std)
    pictures = SizedPictures(processor, square=False, **whole)
    return GroupvitSegmentor(folder.load(_CLASS), pictures, norm)
