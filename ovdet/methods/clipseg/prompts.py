"""What CLIPSeg is asked with: names, pictures that point at something, and blends of the two.

Sec. 3.2 and 4 of the paper. Everything lives in CLIP's joint space, at the length CLIP gives it
unless told otherwise: nothing is unit norm here, because FiLM reads lengths too. Shapes: B images,
C classes, N words, D embedding width, S side of a picture, H W px.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2.functional import gaussian_blur

from ovdet.ops.similarity import unit_norm
from ovdet.registry import MODELS
from ovdet.structures import Flow, InputError, Text, Vocabulary
from ovdet.text import TextEncoder, clean_names, fill, lengths, load_templates

Embed = Callable[[Tensor], Tensor]
"""Pictures [N, 3, S, S], RGB in [0, 1], to embeddings [N, D]."""


def with_length(vectors: Tensor, length: float | None) -> Tensor:
    """Return vectors [..., D] at a length; None leaves them as they are."""
    return vectors if length is None else length * unit_norm(vectors)


@MODELS.register_module()
class ClipsegText(nn.Module):
    """Fills the text slot with a frozen tower, one sentence a class.

    While the decoder learns, each name goes through a template drawn at random.

    Args:
        encoder: The text tower.
        templates: The one template of predictions, as the name of a set or a list.
        learnt: What is drawn from, likewise.
        length: Of the embeddings; None leaves CLIP's own.

    Raises:
        InputError: If templates are not usable, or ``templates`` are not one.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        templates: str | Sequence[str] = "none",
        learnt: str | Sequence[str] = "none",
        *,
        length: float | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(requires_grad=False).eval()
        self.templates = load_templates(templates)
        self.learnt = load_templates(learnt)
        if len(self.templates) != 1:
            raise InputError(f"templates must be one, got {len(self.templates)}")
        self.length = length
        self._known: dict[str, Tensor] = {}
        self._weights = ""

    def forward(self, vocabulary: Vocabulary) -> Text:
        """Embed C classes: ``classes`` [C, D], not unit norm."""
        return Text(classes=self.encode_words(vocabulary.names))

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Embed N words as the classes are: [N, D], not unit norm."""
        sets = self.learnt if self.training else self.templates
        drawn = torch.randint(len(sets), (len(words),)).tolist()
        names = clean_names(words)
        texts = [fill([sets[i]], name)[0] for i, name in zip(drawn, names, strict=True)]
        return with_length(self._encode(texts), self.length)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode of the slot; the encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    @torch.no_grad()
    def _encode(self, texts: list[str]) -> Tensor:
        """Return sentences as the tower leaves them, [N, D]; what is known is not encoded again."""
        if (weights := self.encoder.fingerprint()) != self._weights:
            self._known, self._weights = {}, weights
        device = self.encoder.device
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            ids = self.encoder.tokenizer(missing).to(device)
            if self.encoder.causal:
                ids = ids[:, : int(lengths(ids).max())]
            with torch.autocast(device.type, enabled=False):
                read = self.encoder.read(self.encoder.embed_ids(ids), lengths(ids) - 1).float()
            self._known |= dict(zip(missing, read, strict=True))
        return torch.stack([self._known[text].to(device) for text in texts])


@MODELS.register_module()
@dataclass(frozen=True)
class ClipsegView:
    """How a picture points at something: all else is blurred and dark, and most of it cut away.

    Attributes:
        size: S, side of the picture that is shown, px.
        context: Margin around the mask, as a part of its height and width.
        blur: Side of the Gaussian window, px, odd; its deviation is a fifth of it.
        darken: What the surroundings are multiplied by.
        least: Smallest mask that can be pointed at, as a part of its picture.
    """

    size: int = 352
    context: float = 0.1
    blur: int = 15
    darken: float = 0.1
    least: float = 0.005

    def __post_init__(self) -> None:
        if self.size < 1 or self.blur < 1 or self.blur % 2 == 0:
            raise ValueError(f"size must be >= 1 and blur odd, got {self.size}, {self.blur}")
        if self.context < 0 or not 0 <= self.darken <= 1:
            raise ValueError(
                f"must be context >= 0 and 0 <= darken <= 1, got {self.context}, {self.darken}"
            )

    def fits(self, mask: Tensor) -> bool:
        """Return whether a mask [H, W] is large enough to be pointed at."""
        return bool(mask.sum() >= max(self.least * mask.numel(), 1))

    def show(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return [3, S, S]: the picture with all but the mask dimmed, cut to it, squared, resized.

        Args:
            image: [3, H, W], RGB in [0, 1].
            mask: [H, W], bool, not empty.
        """
        window = min(self.blur, 2 * min(image.shape[1:]) - 1)  # its border is a reflection
        around = gaussian_blur(image, [window, window], [window / 5, window / 5])
        lit = torch.where(mask, image, self.darken * around)
        top, bottom = _extent(mask.any(dim=1), self.context)
        left, right = _extent(mask.any(dim=0), self.context)
        cut = lit[:, top:bottom, left:right]
        missing = max(cut.shape[1:]) - torch.tensor(cut.shape[1:])
        (above, before), (below, behind) = (
            (missing // 2).tolist(),
            (missing - missing // 2).tolist(),
        )
        square = F.pad(cut, (before, behind, above, below))
        size = (self.size, self.size)
        shown = F.interpolate(
            square[None].float(), size, mode="bilinear", align_corners=False, antialias=True
        )
        return shown[0]


@MODELS.register_module()
class ClipsegPrompts(nn.Module):
    """Asks images by a blend of name and picture while the decoder learns.

    A class's pictures come from images of earlier batches: the tower is frozen, so that what it
    said of them stays true. Where there is none yet, as after a resume, the name alone asks.

    Args:
        view: How a picture points.
        low: Least share of the name in a blend.
        high: Greatest share of the name.
        kept: Pictures kept a class, the latest.
        length: Of a picture's embedding; None leaves CLIP's own.

    Raises:
        ValueError: Unless 0 <= low <= high <= 1 and kept >= 1.
    """

    def __init__(
        self,
        view: ClipsegView | None = None,
        *,
        low: float = 0.0,
        high: float = 0.5,
        kept: int = 8,
        length: float | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= low <= high <= 1 or kept < 1:
            raise ValueError(f"must be 0 <= low <= high <= 1 and kept >= 1: {low}, {high}, {kept}")
        self.view = view or ClipsegView()
        self.low = low
        self.high = high
        self.kept = kept
        self.length = length
        self._seen: dict[str, deque[Tensor]] = {}

    def forward(self, labels: Tensor, flow: Flow) -> Text:
        """Return the text with one token a class and image, the condition; ``tokens`` [B, C, 1, D].

        Draws from torch's global generator.

        Args:
            labels: [B, H, W], indices into the vocabulary.
            flow: Reads ``images``, ``vocabulary``, ``encode_images`` and ``text``, whose ``asked``
                says which image is asked for what.

        Raises:
            InputError: If nothing says what is asked, or the trunk cannot embed pictures.
        """
        text = flow.text
        if text is None or text.asked is None or flow.encode_images is None:
            raise InputError("picture prompts need names asked by image and a trunk with 'embed'")
        pairs = text.asked.nonzero().tolist()
        tokens = text.classes.expand(len(labels), -1, -1).clone()  # [B, C, D]
        for image, place in pairs:
            if pictures := self._seen.get(flow.vocabulary.names[place]):
                drawn = pictures[int(torch.randint(len(pictures), ()))].to(tokens)
                share = float(torch.empty(()).uniform_(self.low, self.high))
                tokens[image, place] = torch.lerp(drawn, tokens[image, place], share)
        self._remember(flow, labels, pairs, flow.encode_images)
        mask = torch.ones(len(text.classes), 1, dtype=torch.bool, device=tokens.device)
        return replace(text, tokens=tokens[:, :, None], token_mask=mask)

    @torch.no_grad()
    def _remember(self, flow: Flow, labels: Tensor, pairs: list[list[int]], embed: Embed) -> None:
        shown = [
            (flow.vocabulary.names[place], self.view.show(flow.images[image], mask))
            for image, place in pairs
            if self.view.fits(mask := labels[image] == place)
        ]
        if not shown:
            return
        vectors = with_length(embed(torch.stack([s for _, s in shown])).float(), self.length)
        for (name, _), vector in zip(shown, vectors, strict=True):
            self._seen.setdefault(name, deque(maxlen=self.kept)).append(vector)


@MODELS.register_module()
class ClipsegExamples(nn.Module):
    """Class embeddings from labelled pictures, in place of names: one-shot segmentation.

    Args:
        dataset: Images with label maps: has ``vocabulary``, ``labels(index)``, and samples.
        view: How a picture points.
        shots: Pictures a class; their embeddings are averaged.
        seed: Of the draw of the pictures.
        length: Of a picture's embedding; None leaves CLIP's own.

    Raises:
        ValueError: If ``shots`` is below 1.
    """

    def __init__(
        self,
        dataset: Any,
        view: ClipsegView | None = None,
        *,
        shots: int = 1,
        seed: int = 0,
        length: float | None = None,
    ) -> None:
        super().__init__()
        if shots < 1:
            raise ValueError(f"shots must be at least 1, got {shots}")
        self.dataset = dataset
        self.view = view or ClipsegView()
        self.shots = shots
        self.seed = seed
        self.length = length
        self._known: dict[tuple[str, ...], Tensor] = {}

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's own
        """Set the mode; what was seen with weights that may now change is forgotten."""
        self._known.clear()
        return super().train(mode)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._known.clear()
        super()._load_from_state_dict(*args, **kwargs)

    @torch.no_grad()
    def forward(self, embed: Embed, vocabulary: Vocabulary) -> Tensor:
        """Return [C, D] of classes that the data set shows.

        Args:
            embed: What the trunk says of pictures.
            vocabulary: C classes.

        Raises:
            InputError: If the data set shows a class fewer than ``shots`` times.
        """
        if vocabulary.names not in self._known:
            shown = self._draw(vocabulary.names)
            rows = [with_length(embed(shown[n]).float(), self.length) for n in vocabulary.names]
            self._known = {vocabulary.names: torch.stack([row.mean(dim=0) for row in rows])}
        return self._known[vocabulary.names]

    def _draw(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the first pictures of each class in random order, [shots, 3, S, S].

        The order depends on the seed alone, so each class is shown the same whatever is asked for.
        """
        own = {name: row for row, name in enumerate(self.dataset.vocabulary.names)}
        shown: dict[str, list[Tensor]] = {name: [] for name in names}
        chance = torch.Generator().manual_seed(self.seed)
        for index in torch.randperm(len(self.dataset), generator=chance).tolist():
            open_ = [n for n in names if n in own and len(shown[n]) < self.shots]
            if not open_:
                break
            labels = torch.from_numpy(self.dataset.labels(index))
            for name in open_:
                if self.view.fits(mask := labels == own[name]):
                    shown[name].append(self.view.show(self.dataset.stored(index).image, mask))
        for name, pictures in shown.items():
            if len(pictures) < self.shots:
                raise InputError(
                    f"the examples must show each class {self.shots} times, {name!r} is shown "
                    f"{len(pictures)} times"
                )
        return {name: torch.stack(pictures) for name, pictures in shown.items()}


def _extent(filled: Tensor, context: float) -> tuple[int, int]:
    """Return first and last + 1 of what is filled [n], with a margin, inside of it."""
    places = filled.nonzero()
    first, last = int(places[0]), int(places[-1]) + 1
    margin = round(context * (last - first))
    return max(first - margin, 0), min(last + margin, len(filled))
