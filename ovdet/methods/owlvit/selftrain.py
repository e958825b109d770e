"""OWLv2's annotator: what a picture's own caption names is looked for, and the sure finds kept.

Sec. 3.1 of the OWLv2 paper (OWL-ST). Shapes: R regions.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Regions, Sample, Vocabulary, read_json

_WORDS = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def ngrams(caption: str, longest: int = 10) -> list[tuple[int, int]]:
    """Return where each run of words of a caption that may name a thing begins and ends.

    A run does not begin or end with a word that names nothing ("of", "the"), does not consist of
    words about the picture itself ("a photo"), and does not cross a punctuation mark.

    Args:
        caption: A sentence.
        longest: Most words of a run; 10 in the paper.

    Returns:
        (first character, the one after the last), by first word and length.
    """
    words = read_json(Path(__file__).with_name("words.json"))
    stop, generic = set(words["stop"]), set(words["generic"])
    spans = [match.span() for match in _WORDS.finditer(caption)]
    runs = []
    for first, (start, _) in enumerate(spans):
        for last in range(first, min(first + longest, len(spans))):
            if last > first and caption[spans[last - 1][1] : spans[last][0]].strip():
                break  # a mark stands between the words
            said = [caption[a:b].lower() for a, b in spans[first : last + 1]]
            if {said[0], said[-1]} & stop or set(said) <= generic | stop:
                continue
            runs.append((start, spans[last][1]))
    return runs


@MODELS.register_module()
class OwlvitLabeler(nn.Module):
    """Gives a picture with a caption boxes for what the caption says.

    Args:
        detector: Has ``predict``; it should be asked with several templates.
        words: Most words of a name.
        box: Least score of a box that is kept, in [0, 1].
        image: Least score that one box of a picture must have, or none is kept.
        top: Most boxes a picture.
    """

    def __init__(
        self,
        detector: nn.Module,
        *,
        words: int = 10,
        box: float = 0.1,
        image: float = 0.3,
        top: int = 100,
    ) -> None:
        super().__init__()
        self.detector: Any = detector
        self.words = words
        self.box = box
        self.image = image
        self.top = top

    @torch.no_grad()
    def forward(self, sample: Sample) -> Sample:
        """Return the sample with ``phrases`` of its first caption and their scored boxes.

        Args:
            sample: With a caption; its image as it is stored.

        Returns:
            ``truth`` in px of the sample's image, labels into ``phrases``; both empty, and the
            sample not boxed, where nothing sure was found or there is no caption.
        """
        spans = ngrams(sample.captions[0], self.words) if sample.captions else []
        named: dict[str, tuple[int, int]] = {}
        for start, end in spans:  # what is said twice is one name
            named.setdefault(sample.captions[0][start:end].lower(), (start, end))
        found = self._find(sample, list(named)) if named else None
        if found is None:
            return replace(sample, truth=Regions.empty(), phrases=(), boxed=False)
        used = sorted(set(_labels(found).tolist()))
        places = torch.full((len(named),), -1)
        places[torch.tensor(used)] = torch.arange(len(used))
        phrases = list(named.values())
        sx, sy = sample.scale
        boxes = found.boxes.cpu() * torch.tensor([sx, sy, sx, sy])
        truth = found.to("cpu").with_(boxes=boxes, labels=places[_labels(found).cpu()])
        return replace(sample, truth=truth, phrases=tuple(phrases[i] for i in used), boxed=True)

    def _find(self, sample: Sample, names: Sequence[str]) -> Regions | None:
        self.detector.eval()
        found: Regions = self.detector.predict(
            [sample], Vocabulary.of(names), threshold=self.box, top_k=self.top
        )[0]
        if len(found) == 0 or found.scores is None or float(found.scores.max()) < self.image:
            return None
        return found


def _labels(regions: Regions) -> Tensor:
    if regions.labels is None:
        raise ValueError("the detector must give labels, got none")
    return regions.labels
