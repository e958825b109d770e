"""Parts of transformers' models that remember: text of all pictures, features of all texts."""

from typing import Any

import torch
from torch import Tensor, nn

_TEXTS = 64


class KeptText(nn.Module):
    """A text tower that reads each text once. All rows of a batch are the same text.

    Args:
        tower: (ids [B, L], mask, token types, positions) to an output with ``last_hidden_state``.

    Attributes:
        encoded: Texts that went through the tower so far.
    """

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower
        self.encoded = 0
        self._known: dict[tuple[int, ...], Tensor] = {}

    def forward(self, input_ids: Tensor, *facts: Tensor, **options: Any) -> Any:
        """Return the tower's output, its states [B, L, D]."""
        from transformers.modeling_outputs import BaseModelOutput

        key = tuple(input_ids[0].tolist())
        if key not in self._known:
            for old in list(self._known)[: max(0, len(self._known) + 1 - _TEXTS)]:
                del self._known[old]
            # What is kept must not depend on a caller's autocast.
            with torch.autocast(input_ids.device.type, enabled=False):
                first = self.tower(input_ids[:1], *(fact[:1] for fact in facts), **options)
            self._known[key] = first.last_hidden_state
            self.encoded += 1
        states = self._known[key].expand(len(input_ids), -1, -1)
        return BaseModelOutput(last_hidden_state=states)

    def _apply(self, *args: Any, **kwargs: Any) -> "KeptText":
        """Move or cast the weights; what was kept is forgotten."""
        self._known.clear()
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._known.clear()
        super()._load_from_state_dict(*args, **kwargs)


class KeptFeatures(nn.Module):
    """An image encoder that, asked again about the very same pictures, gives the same features.

    Args:
        encoder: (pictures, mask) to features.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self._seen: tuple[Tensor, Any] | None = None

    def forward(self, pictures: Tensor, mask: Tensor) -> Any:
        """Return the encoder's features."""
        if self._seen is None or self._seen[0] is not pictures:
            self._seen = (pictures, self.encoder(pictures, mask))
        return self._seen[1]

    def forget(self) -> None:
        """Let go of the pictures."""
        self._seen = None
