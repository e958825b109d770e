"""FILIP: each patch looks for its best word and each word for its best patch.

Yao et al., "FILIP: Fine-grained Interactive Language-Image Pre-Training", ICLR 2022,
https://arxiv.org/abs/2111.07783, Sec. 3.1 (late interaction) and 3.2 (token selection).

Slot: objectives, of a recognizer (``FilipLoss``) and of a detector (``FilipRegionWords``). The
comparison itself is ``ovdet.ops.token_max_sim``; naming, retrieval and pointing by it are the
recognizer's. Shapes: B pairs, P patches, T words, R regions, D embedding width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.losses import gather_rows, gather_tokens
from ovdet.ops import token_max_sim
from ovdet.registry import MODELS
from ovdet.structures import Flow, InputError, Regions, Tokens
from ovdet.text import TextEncoder, lengths
from ovdet.vision import Frozen

_MAX_LOG_SCALE = math.log(100)


@MODELS.register_module()
class FilipTokenSelection(nn.Module):
    """Keeps of each picture and text the tokens that matter most to the other one of the pair.

    A token's rank is its largest similarity with a token of its own pair: what all processes
    exchange then shrinks to a share, and nothing of another pair is needed to choose.

    Args:
        share: Part of a set's real tokens that stays, rounded up; 0.25 in the paper.

    Raises:
        ValueError: If the share is not above 0 and at most 1.
    """

    def __init__(self, share: float = 0.25) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {share}")
        self.share = share

    def forward(self, images: Tokens, texts: Tokens) -> tuple[Tokens, Tokens]:
        """Return B sets of patches and B sets of words, each in the order it had.

        Args:
            images: B sets of patches; row i belongs to row i of ``texts``.
            texts: B sets of words.
        """
        if self.share == 1 or len(images) == 0:
            return images, texts
        with torch.no_grad(), torch.autocast(images.vectors.device.type, enabled=False):
            products = images.vectors.float() @ texts.vectors.float().transpose(1, 2)  # [B, P, T]
            best_word = products.masked_fill(~texts.real[:, None], -torch.inf).amax(dim=2)
            best_patch = products.masked_fill(~images.real[:, :, None], -torch.inf).amax(dim=1)
        return self._keep(images, best_word), self._keep(texts, best_patch)

    def _keep(self, tokens: Tokens, value: Tensor) -> Tokens:
        real = tokens.real
        count = (real.sum(dim=1) * self.share).ceil().long()  # [B]
        most = max(int(count.max()), 1)
        order = value.masked_fill(~real, -torch.inf).argsort(dim=1, descending=True, stable=True)
        kept = torch.zeros_like(real).scatter_(
            1, order, torch.arange(real.shape[1], device=real.device) < count[:, None]
        )
        # Chosen ones first, in the order they had; the others after them fill the row.
        index = (~kept).byte().argsort(dim=1, stable=True)[:, :most]
        vectors = tokens.vectors.gather(1, index[..., None].expand(-1, -1, tokens.vectors.shape[2]))
        return Tokens(vectors, kept.gather(1, index))


@MODELS.register_module()
class FilipLoss(nn.Module):
    """Contrast of late interactions, a softmax over texts and one over pictures (Sec. 3.1).

    The two similarities are means, so that a caption's length does not set their scale, and they
    are not each other's transpose: pictures rank texts by ``s_image``, texts pictures by
    ``s_text``. Across processes only words are exchanged and what they scored: each process
    compares its own pictures with all texts, and the gradient, averaged over processes, is that of
    one big batch.

    Args:
        selection: (images, texts) to fewer tokens of each, before they are compared; None keeps
            all.
        mask_words: Whether padding is kept out of maxima and means. False is an ablation.
        chunk: Texts compared at once; see :func:`ovdet.ops.token_max_sim`.

    Attributes:
        reads_tokens: What tells the recognizer to hand over sets.
    """

    reads_tokens = True

    def __init__(
        self,
        selection: nn.Module | None = None,
        *,
        mask_words: bool = True,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        self.selection = selection
        self.mask_words = mask_words
        self.chunk = chunk

    def forward(self, images: Tokens, texts: Tokens, scale: Tensor) -> Tensor:
        """Return the mean of both directions' cross entropies.

        Args:
            images: B sets of patches; row i belongs to row i of ``texts``. As many in each process.
            texts: B sets of words.
            scale: Inverse temperature, a scalar.
        """
        if not self.mask_words:
            texts = Tokens(texts.vectors)
        if self.selection is not None:
            images, texts = self.selection(images, texts)
        all_texts = gather_tokens(texts)
        s_image, s_text = _similarities(images, all_texts, self.chunk)  # [B, all]
        all_s_text, start = gather_rows(s_text)
        return late_contrast(s_image, all_s_text[:, start : start + len(images)], scale, start)


def late_contrast(s_image: Tensor, s_text: Tensor, scale: Tensor, start: int = 0) -> Tensor:
    """Return the mean of the cross entropies over texts and over pictures.

    Args:
        s_image: [B, N], of B pictures with all N texts; text ``start`` + i belongs to picture i.
        s_text: [N, B], of all N pictures with B texts, likewise.
        scale: Inverse temperature, a scalar.
        start: Place of the first own pair among all.
    """
    target = torch.arange(len(s_image), device=s_image.device) + start
    by_image = F.cross_entropy(scale * s_image, target)
    by_text = F.cross_entropy(scale * s_text.T, target)
    return (by_image + by_text) / 2


def _similarities(images: Tokens, texts: Tokens, chunk: int | None) -> tuple[Tensor, Tensor]:
    return token_max_sim(images.vectors, texts.vectors, images.mask, texts.mask, chunk=chunk)


@MODELS.register_module()
class FilipRegionWords(nn.Module):
    """The same contrast with a picture's proposals for patches and its caption's words for words.

    What a caption names need not be boxed: of all captions of the batch a picture's own must fit
    its regions best, so each word pulls the region that is most like it. START and END are no
    words here: a region is one object, and END stands for the sentence. Pictures without a caption
    or without a region are left out. Each process contrasts its own batch.

    Args:
        encoder: The text tower whose states are the words; frozen here. It must have learnt
            what single tokens mean, as FILIP's does: CLIP's is read at END alone.
        branch: Index of the detector's branch that learns.
        count: Most regions a picture, the best proposals.
        weight: Multiplies the loss.

    Raises:
        ValueError: If ``count`` is below 1.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        *,
        branch: int = 0,
        count: int = 100,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"count must be at least 1 region, got {count}")
        self.encoder = Frozen(encoder)
        self.branch = branch
        self.count = count
        self.weight = weight
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, flow: Flow) -> dict[str, Tensor]:
        """Compare regions and words of all pictures that have both.

        Args:
            flow: Reads ``samples`` and ``proposals`` and asks ``embed``.

        Returns:
            ``loss_region_words``, a scalar; 0, still on the graph, where no picture has both.

        Raises:
            InputError: If the assembly gives no proposals, or nothing to embed them with.
        """
        if flow.proposals is None or flow.embed is None:
            raise InputError("FilipRegionWords needs a detector with proposals and an embedder")
        proposals = [flow.proposals.of_image(i)[: self.count] for i in range(len(flow.samples))]
        both = [i for i, s in enumerate(flow.samples) if s.captions and len(proposals[i])]
        if not both:
            return {"loss_region_words": flow.features[0].sum() * 0 + self.log_scale * 0}
        regions = Regions.gather([proposals[i] for i in both])
        owner = torch.tensor(both, device=regions.owner.device)[regions.owner]
        embeddings = flow.embed(regions.with_(owner=owner), self.branch)
        parts = torch.split(embeddings, [len(proposals[i]) for i in both])
        images = Tokens.cat([Tokens(part[None]) for part in parts])
        words = self._read([flow.samples[i].captions[0] for i in both])
        with torch.no_grad():  # the parameter itself is clamped, so its gradient never dies
            self.log_scale.clamp_(max=_MAX_LOG_SCALE)
        loss = late_contrast(*_similarities(images, words, None), self.log_scale.exp())
        return {"loss_region_words": self.weight * loss}

    @torch.no_grad()
    def _read(self, captions: list[str]) -> Tokens:
        """Return the words of captions, as sets."""
        tower: TextEncoder = self.encoder.module  # type: ignore[assignment]
        ids = tower.tokenizer(captions)
        ends = lengths(ids) - 1
        if tower.causal:
            ids = ids[:, : int(ends.max()) + 1]
        tokens = tower.encode_tokens(ids.to(tower.device))
        places = torch.arange(ids.shape[1])
        words = (places > 0) & (places < ends[:, None])
        return Tokens(tokens.vectors, words.to(tower.device))
