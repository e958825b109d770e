"""OmDet-Turbo's text tower, which remembers names and tasks.

Shapes: N names, L tokens of a task, D width of a name, W of a token.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

_NAMES, _TASKS = 65_536, 64
_AT_ONCE = 256  # names that pass the tower together


class KeptTasks(nn.Module):
    """Reads each name and each task once.

    Args:
        tower: transformers' ``OmDetTurboLanguageBackbone``.
        tokenizer: transformers' tokenizer.
        context: Every text is filled up to this many tokens, as transformers' processor does.

    Attributes:
        encoded: Names and tasks that went through the tower so far.
    """

    def __init__(self, tower: nn.Module, tokenizer: Any, context: int) -> None:
        super().__init__()
        self.tower = tower
        self.tokenizer = tokenizer
        self.context = context
        self.encoded = 0
        self._names: dict[str, Tensor] = {}
        self._tasks: dict[str, tuple[Tensor, Tensor]] = {}

    def classes(self, names: Sequence[str]) -> Tensor:
        """Return the vectors of names, [N, D]."""
        new = [name for name in dict.fromkeys(names) if name not in self._names]
        found = {name: self._names[name] for name in names if name in self._names}
        for start in range(0, len(new), _AT_ONCE):
            part = new[start : start + _AT_ONCE]
            ids, _ = self._ids(part)
            found |= dict(zip(part, self._read(ids, encode_type="class"), strict=True))
        self.encoded += len(new)
        _keep(self._names, found, _NAMES)
        return torch.stack([found[name] for name in names])

    def task(self, text: str) -> tuple[Tensor, Tensor]:
        """Return the tokens of a task, [L, 1, W], and which are real, [1, L]."""
        if text not in self._tasks:
            ids, mask = self._ids([text])
            states, mask = self._read(ids, mask=mask, encode_type="task")
            _keep(self._tasks, {text: (states, mask)}, _TASKS)
            self.encoded += 1
        return self._tasks[text]

    def _ids(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        device = next(self.parameters()).device
        found = self.tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=self.context,
            return_tensors="pt",
        )
        return found["input_ids"].to(device), found["attention_mask"].to(device)

    def _read(self, ids: Tensor, **options: Any) -> Any:
        # What is kept must not depend on a caller's autocast.
        with torch.autocast(ids.device.type, enabled=False):
            return self.tower(ids, **options)

    def _apply(self, *args: Any, **kwargs: Any) -> "KeptTasks":
        """Move or cast the weights; what was kept is forgotten."""
        self._forget()
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._forget()
        super()._load_from_state_dict(*args, **kwargs)

    def _forget(self) -> None:
        self._names.clear()
        self._tasks.clear()


def _keep(known: dict[str, Any], new: dict[str, Any], most: int) -> None:
    """Add what is new; the oldest go where there would be more than ``most``."""
    known.update(new)
    for key in list(known)[: max(0, len(known) - most)]:
        del known[key]
