"""The model while it learns: a detector with new names, of which the right parts change."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from mmengine.model import BaseModel
from torch import Tensor, nn

from ovdet.engine import fill_weights, load_checkpoint
from ovdet.finetuning.keeping import KeepStart
from ovdet.finetuning.lora import add_adapters, merge_adapters
from ovdet.registry import MODELS
from ovdet.structures import InputError, Vocabulary

ROWS = "text.rows"
_STAYS = ("text.", "proposals.", "objectives.")
"""Names and places are left alone: where objects of other classes have no label, a part that
proposes regions would learn to overlook them."""
_PROPOSING = {"loss_objectness", "loss_rpn_box"}
_BACKGROUND = "background_vector"  # unlabelled objects count as background, which must not grow


@MODELS.register_module()
class Pupil(BaseModel):  # type: ignore[misc]
    """Learns the names of its data set, whether the data set calls them novel or not.

    Args:
        detector: With ``TaughtClasses`` in its text slot.
        start: File of the weights that it starts from, its own names and shapes.
        how: ``head``, ``lora`` or ``full``, as ``ovdet.finetuning.Plan`` has it.

    Raises:
        InputError: If the file does not hold the detector's weights.
        ImportError: If ``how`` is ``lora`` and peft is missing.
    """

    def __init__(self, detector: nn.Module, start: str, how: str = "head") -> None:
        super().__init__()
        fill_weights(detector, load_checkpoint(Path(start))["model"], start)
        self.vocabulary: Vocabulary | None = None
        self._how = how
        if how != "head":
            shared = {id(detector.text): detector.text}  # one tower is enough
            before = copy.deepcopy(detector, shared).requires_grad_(requires_grad=False).eval()
            detector.objectives.append(KeepStart(before))  # type: ignore[operator, union-attr]
        if how == "lora":
            add_adapters(detector, lambda name: not name.startswith(_STAYS))
        for name, parameter in detector.named_parameters():
            more = how != "head" and parameter.requires_grad and _learns(name)
            parameter.requires_grad = name == ROWS or more
        self.detector: Any = detector

    def forward(self, samples: list[Any], mode: str = "loss") -> dict[str, Tensor]:
        """Return the losses of B samples; there is no other mode.

        Raises:
            InputError: If another mode is asked for, or no vocabulary was set.
        """
        if mode != "loss" or self.vocabulary is None:
            raise InputError(f"a pupil only learns, with a vocabulary that is set, got {mode!r}")
        losses: dict[str, Tensor] = self.detector.loss(samples, replace(self.vocabulary, novel=()))
        return {name: value for name, value in losses.items() if name not in _PROPOSING}

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode; norms keep their statistics, which a few pictures would spoil."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def learnt(self) -> dict[str, Tensor]:
        """Return the detector's weights, with adapters merged into their layers."""
        if self._how == "lora":
            merge_adapters(self.detector)
        return {name: value.detach().cpu() for name, value in self.detector.state_dict().items()}


def blend(
    start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Mix weights: ``share`` of the start and the rest of what was tuned (Wortsman 2022, WiSE-FT).

    What is no floating-point number, and the vectors of new names, are the tuned ones.
    """
    return {
        name: value.lerp(start[name].to(value), share)
        if value.is_floating_point() and name != ROWS
        else value
        for name, value in tuned.items()
    }


def _learns(name: str) -> bool:
    return not (name.startswith(_STAYS) or name.endswith(_BACKGROUND))
