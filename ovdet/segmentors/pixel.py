"""The pixel segmentor: every place of the features against text, and the picture from all places.

Shapes: B images, C classes, Q words asked for, D embedding width, H W px, h w places.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.segmentors.answers import Asked, PixelAnswers
from ovdet.segmentors.asking import PixelNames, PixelQuestion
from ovdet.segmentors.base import SEMANTIC, Segmentor
from ovdet.segmentors.views import PixelViews
from ovdet.structures import Flow, InputError, Sample, Text, Vocabulary, batch_images


@MODELS.register_module()
class PixelSegmentor(Segmentor):
    """Names pixels by comparing what is seen at each place with text.

    Args:
        trunk: [B, 3, H, W], RGB in [0, 1], to levels [B, c, h, w], finest first. Pictures are
            predicted at multiples of its ``stride``, px; 32 where it has none.
        text: Vocabulary to Text.
        head: (levels, text, images) to logits [B, C, h, w], one map a row of ``text.classes``, of
            any grid that covers the images evenly. ``levels`` are all that the trunk gives, in its
            order; ``text`` is a ``Text``, whose ``asked`` [B, C] may say that an image is asked for
            some rows alone; ``images`` [B, 3, H, W] are what the trunk saw.
        refinements: Each (logits, images, levels) to logits, in order; for predictions alone.
        criterion: (logits [B, C, H, W], labels [B, H, W], asked [B, C] or None) to {``loss_*``:
            scalar}, logits stretched to the labels' size, labels ``IGNORED`` where there is none.
            None where only objectives learn, or nothing.
        settings: What it is asked for while it learns, and what it gives back.
    """

    # Slots are called by their Protocols (structures/slots.py), not by nn.Module's own types.
    trunk: Any
    text: Any
    head: Any

    def __init__(
        self,
        *,
        trunk: nn.Module,
        text: nn.Module,
        head: nn.Module,
        refinements: Sequence[nn.Module] = (),
        criterion: nn.Module | None = None,
        settings: "PixelSettings | None" = None,
    ) -> None:
        super().__init__(SEMANTIC)
        self.trunk = trunk
        self.text = text
        self.head = head
        self.refinements = nn.ModuleList(refinements)
        self.criterion = criterion
        self.settings = settings or PixelSettings()
        self.names = self.settings.names or PixelNames()
        self.labels = self.settings.labels
        self.prompts = self.settings.prompts
        self.examples = self.settings.examples
        self.objectives = nn.ModuleList(self.settings.objectives)

    def begin(self, samples: list[Sample], vocabulary: Vocabulary) -> Flow:
        """Run the parts that come before any place: images, features, text."""
        device = next(self.parameters()).device
        images = batch_images(samples, stride=32).to(device)
        flow = Flow(images, samples, vocabulary, features=self.trunk(images))
        flow.text = self.text(vocabulary)
        flow.encode_words = self.text.encode_words
        flow.encode_images = getattr(self.trunk, "embed", None)
        return flow

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Return all losses of a batch, ``loss_*``, scalars.

        Args:
            samples: B samples; label maps index ``vocabulary``.
            vocabulary: C classes; which of them are asked for is the settings' choice.

        Raises:
            InputError: If there is nothing to learn from.
        """
        if self.criterion is None and not self.objectives:
            raise InputError("the segmentor has no criterion and no objective: it cannot learn")
        question: PixelQuestion = self.names(samples, vocabulary)
        flow = self.begin(samples, question.vocabulary)
        device = flow.images.device
        labels = question.labels.to(device)
        asked = None if question.asked is None else question.asked.to(device)
        flow.text = replace(_text(flow), asked=asked)
        if self.prompts is not None:
            flow.text = self.prompts(labels, flow)
        flow.pixels = self.head(flow.features, flow.text, flow.images)
        losses: dict[str, Tensor] = {}
        if self.criterion is not None:
            if self.labels is not None:
                labels = self.labels(labels, flow)
            logits = stretched(flow.pixels, labels.shape[-2:])
            losses |= self.criterion(logits, labels, asked)
        for objective in self.objectives:
            losses |= objective(flow)
        return losses

    @torch.no_grad()
    def segment(
        self, samples: list[Sample], vocabulary: Vocabulary, task: str = SEMANTIC
    ) -> list[Tensor]:
        """Name every pixel.

        Each picture is looked at by itself and without padding, so its labels do not depend on the
        others of the batch. Logits are held for all names at the grid of the features alone.

        Args:
            samples: B samples; truth is not read.
            vocabulary: Any C classes.
            task: ``semantic``.

        Returns:
            For each sample its label map [H, W], int64, in px of the stored image, ``IGNORED``
            where there is no class.

        Raises:
            InputError: If the segmentor is asked for another task.
        """
        self.check_task(task)
        asked = self.settings.answers.ask(vocabulary)
        text = self._asked(vocabulary if asked.words is None else asked.words)
        text = text.rows(asked.rows.to(text.classes.device))
        return [self._label(sample, text, asked, vocabulary) for sample in samples]

    def _asked(self, words: Vocabulary) -> Text:
        if self.examples is None:
            named: Text = self.text(words)
            return named
        return Text(classes=self.examples(self.trunk.embed, words))

    def _label(self, sample: Sample, text: Text, asked: Asked, vocabulary: Vocabulary) -> Tensor:
        image = sample.image.to(text.classes.device)
        multiple: int = getattr(self.trunk, "stride", 32)
        logits = self.settings.views.average(lambda v: self.look(v, text), image, multiple)
        return self.settings.answers.label(logits, asked, vocabulary, sample.original_size)

    def look(self, images: Tensor, text: Text) -> Tensor:
        """Return refined logits [B, Q, h, w] of images [B, 3, H, W] against Q rows of text."""
        levels = self.trunk(images)
        logits: Tensor = self.head(levels, text, images)
        for refine in self.refinements:
            logits = refine(logits, images, levels)
        return logits


@MODELS.register_module()
@dataclass(frozen=True)
class PixelSettings:
    """What a pixel segmentor learns from and gives back.

    Attributes:
        names: (samples, vocabulary) to the PixelQuestion a batch learns from; None asks for every
            name that is not novel.
        labels: (labels [B, H, W], flow) to the labels that the criterion reads: what gives a label
            to pixels that have none; None leaves them as they are.
        prompts: (labels [B, H, W], flow) to the Text that the head is asked while it learns, in
            place of ``flow.text``; None asks by name alone.
        examples: (the trunk's ``embed``, words) to class embeddings [Q, D], in place of names, for
            predictions; None asks by name.
        objectives: Further losses, Flow to {name: scalar}; ``flow.pixels`` holds the logits.
        views: How often a picture is looked at when predicting.
        answers: How its pixels get their labels.
    """

    names: nn.Module | None = None
    labels: nn.Module | None = None
    prompts: nn.Module | None = None
    examples: nn.Module | None = None
    objectives: Sequence[nn.Module] = ()
    views: PixelViews = field(default_factory=PixelViews)
    answers: PixelAnswers = field(default_factory=PixelAnswers)


def stretched(logits: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Return maps [B, C, h, w] bilinearly at another size, at least float32."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.interpolate(wide, tuple(size), mode="bilinear", align_corners=False)


def _text(flow: Flow) -> Text:
    if flow.text is None:
        raise RuntimeError("the text slot has not run: begin() comes before any place")
    return flow.text
