"""The start: a finished model with room for new names, and a first guess at their vectors."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.apis.described import Described
from ovdet.data.coco import CocoDataset
from ovdet.engine import fill_weights, load_checkpoint
from ovdet.ops import unit_norm
from ovdet.registry import build
from ovdet.structures import InputError, Regions, Vocabulary
from ovdet.text.taught import TaughtClasses

_MOST = 200  # pictures that the first guess looks at
_TOGETHER = 4


def describe_pupil(facts: dict[str, Any], names: tuple[str, ...], place: str) -> dict[str, Any]:
    """Return the description of a detector, changed so that names can be taught to it.

    What only its own training needed goes: objectives, and weights that parts started from.

    Args:
        facts: Describes the detector.
        names: The new names.
        place: What messages call it.

    Raises:
        InputError: If the model has no text slot.
    """
    described: dict[str, Any] = _without_starts(copy.deepcopy(facts))
    if not isinstance(described.get("text"), dict):
        raise InputError(f"{place}: has no text slot whose names could be added to")
    if isinstance(described.get("settings"), dict):
        described["settings"].pop("objectives", None)
    described["text"] = {"type": "TaughtClasses", "text": described["text"], "names": list(names)}
    return described


def _without_starts(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("type") == "Pretrained":
            return _without_starts(value["module"])
        return {key: _without_starts(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_starts(item) for item in value]
    return value


def build_start(described: Described, facts: dict[str, Any]) -> Any:
    """Return the detector with the weights it starts from; new names mean what their text says.

    Args:
        described: Where it comes from.
        facts: What ``describe_pupil`` made of its description.

    Raises:
        InputError: If the model is no detector that learns with objectives, or the weights are not
            its own.
    """
    detector: Any = build(facts, "model")
    if not (hasattr(detector, "begin") and hasattr(detector, "objectives")):
        kind = type(detector).__name__
        raise InputError(f"{described.config}: a {kind} is no detector that new names fit into")
    if described.weights is not None:
        stored = load_checkpoint(described.weights)["model"]
        own = {_renamed(n): v for n, v in stored.items() if not n.startswith("objectives.")}
        own["text.rows"] = detector.text.rows.detach()
        fill_weights(detector, own, str(described.weights))
        detector.text.reset()  # by the weights that are in place now
    return detector.eval()


def _renamed(name: str) -> str:
    return f"text.{name}" if name.startswith("text.") else name


@torch.no_grad()
def introduce(detector: Any, dataset: CocoDataset, vocabulary: Vocabulary) -> None:
    """Guess the vectors of new names: halfway between the text and what labelled boxes look like.

    Without boxes, or where the detector embeds no regions, it is the text alone.

    Args:
        detector: With ``TaughtClasses`` in its text slot; changed in place.
        dataset: Pictures as the model sees them.
        vocabulary: The C names.
    """
    slot: TaughtClasses = detector.text
    said: Tensor = unit_norm(slot.text(vocabulary).classes)
    seen = torch.zeros_like(said)
    for first in range(0, min(len(dataset), _MOST), _TOGETHER):
        samples = [dataset[i] for i in range(first, min(first + _TOGETHER, len(dataset)))]
        flow = detector.begin(samples, vocabulary)
        if flow.embed is None:
            break
        regions = Regions.gather([sample.truth for sample in samples]).to(said.device)
        if len(regions) and regions.labels is not None:
            place = Regions(regions.boxes, regions.owner)
            seen.index_add_(0, regions.labels, flow.embed(place, 0).to(seen))
    slot.rows.copy_(unit_norm(said + unit_norm(seen)))


def parts_of(detector: nn.Module) -> dict[str, Tensor]:
    """Return a detector's weights, as they are now, apart from it."""
    return {name: value.detach().cpu().clone() for name, value in detector.state_dict().items()}
