"""Where a recognizer points when it is given a phrase, measured beside a run's own figures."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from mmengine.hooks import Hook
from torch import nn

from ovdet.evaluation import PhrasePointing
from ovdet.registry import HOOKS
from ovdet.structures import InputError, Sample
from ovdet.text import clean_names, fill


@HOOKS.register_module()
class PointingGame(Hook):  # type: ignore[misc]
    """Logs :class:`PhrasePointing` of a recognizer, whenever the run measures and at its end.

    Args:
        dataset: Samples with phrases and their boxes; or labelled boxes and a ``vocabulary``: the
            classes of a picture are its phrases then, in one sentence.
        margin: By how much boxes are grown, px of the stored image.
    """

    priority = "LOW"

    def __init__(self, dataset: Any, *, margin: float = 0.0) -> None:
        self.dataset = dataset
        self.margin = margin

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Play the game and log the figures."""
        figures = self.measure(runner.model)
        if metrics is not None:
            metrics.update(figures)
        words = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        runner.logger.info("pointing: %s", words)

    @torch.no_grad()
    def measure(self, model: nn.Module) -> dict[str, float]:
        """Return ``pointing/<figure>`` of phrases read alone, ``pointing in sentence/<figure>``."""
        recognizer: Any = model
        recognizer.eval()
        games = {"pointing": False, "pointing in sentence": True}
        metrics = {name: PhrasePointing(self.margin) for name in games}
        for index in range(len(self.dataset)):
            sample = self._told(self.dataset[index])
            for name, in_sentence in games.items():
                points = recognizer.point([sample], in_sentence=in_sentence)
                if len(sample.truth):
                    metrics[name].process({"samples": [sample]}, points)
        return {
            f"{name}/{figure}": value
            for name, metric in metrics.items()
            for figure, value in metric.compute_metrics(metric.results).items()
        }

    def _told(self, sample: Sample) -> Sample:
        if sample.phrases:
            return sample
        return tell_classes(sample, self.dataset.vocabulary.names)


def tell_classes(sample: Sample, names: Sequence[str]) -> Sample:
    """Return a sample whose first caption names each class it shows: "a cat, a dog and a kite".

    Args:
        sample: Its truth has labels.
        names: Of the classes that the labels mean.

    Returns:
        The sample with one caption, of its phrases in the order of their labels; the labels of the
        truth tell the phrase.

    Raises:
        InputError: If the truth has boxes without labels.
    """
    labels = sample.truth.labels
    if labels is None:
        if len(sample.truth):
            raise InputError(f"{sample.file_name}: boxes must have labels to be named")
        return replace(sample, captions=("",), phrases=())
    shown, place = torch.unique(labels, return_inverse=True)
    words = [names[label] for label in shown.tolist()]
    text, spans = "", []
    for number, name in enumerate(clean_names(words)):
        if number:
            text += " and " if number == len(words) - 1 else ", "
        (phrase,) = fill(["{article} {}"], name)
        spans.append((len(text), len(text) + len(phrase)))
        text += phrase
    truth = sample.truth.with_(labels=place)
    return replace(sample, captions=(text,), phrases=tuple(spans), truth=truth)
